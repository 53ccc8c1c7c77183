"""Looks somebody up: `users_host.py PLUGIN…`."""

import sys

from plugline import host
from users import Claim, NotFound, UserId, Users

with host.Plugin.start(sys.argv[1:]) as plugin:
    users = plugin.client(Users)
    user = users.get_user_by_claim(claim=Claim.MAIL, value="einstein@cern.ch")
    print(f"{user.display_name}: {', '.join(users.get_user_groups(id=user.id))}")
    try:
        users.get_user(id=UserId(opaque_id="nobody", idp="nowhere"))
    except NotFound as fault:
        print(fault)
