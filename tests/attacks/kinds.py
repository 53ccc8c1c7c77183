"""The files in which there are attacks: imported, they are known."""

from __future__ import annotations

import life
import manifest
import package
import sandbox
import secret
import settings
import terminal
import wire

import host

KINDS = (wire, life, manifest, package, settings, terminal, secret, sandbox, host)
