"""Values that Python makes, of the rich contract's types: through a plugin in another language and back, where they are
equal. `round_trip.py COMMAND…`; the same values each time, `HYPOTHESIS_CASES` says how many."""

from __future__ import annotations

import datetime
import os
import re
import sys
from typing import Any

import catalog as c
import msgspec
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from msgspec import inspect
from plugline import Big, host

SAFE = 2**53 - 1
CASES = int(os.environ.get("HYPOTHESIS_CASES", "100"))

# What Python's types do not say of a value, and the document does: which integers travel as text there.
WIDTHS: dict[tuple[type, str], tuple[int, int]] = {(c.Entry, "serial"): (0, 2**64 - 1), (c.Entry, "balance"): (-(2**127), 2**127 - 1)}

numbers = st.floats(allow_nan=False, allow_infinity=False)
integers = st.integers(-SAFE, SAFE)
# A fraction of six digits, and an offset of whole minutes, is what all languages keep.
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: datetime.timezone(datetime.timedelta(minutes=minutes)))
times = st.datetimes(datetime.datetime(1970, 1, 2), datetime.datetime(2999, 12, 30), timezones=zones)
anything = st.recursive(
    st.none() | st.booleans() | integers | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
trees: st.SearchStrategy[Any] = st.recursive(st.just({}), lambda inner: st.dictionaries(st.text(), inner, max_size=3), max_leaves=8)
words = st.dictionaries(st.sampled_from(['"quoted"', "a\nb", "back\\slash", ""]), st.text(), max_size=4)

# Where Python has `Any`, and the document says more.
OPEN: dict[tuple[type, str], st.SearchStrategy[Any]] = {
    (c.Everything, "tree"): trees,
    (c.Everything, "unnameable"): words,
    (c.Everything, "loose"): st.builds(
        lambda known, others: {**others, "known": known},
        integers,
        st.dictionaries(st.text("abc", min_size=1), integers, max_size=3),
    ),
    # An absent member and `null` are one in Python, where the type has no more to say.
    (c.Entry, "anything"): anything,
}

made: dict[type, st.SearchStrategy[Any]] = {}


def of_struct(cls: type[msgspec.Struct], fields: tuple[inspect.Field, ...]) -> st.SearchStrategy[Any]:
    """Any value of a struct; one whose class looks for that has one member."""
    members = {}
    for field in fields:
        at = (cls, field.name)
        members[field.name] = (OPEN[at] if at in OPEN else of(field.type, at), field.required)
    if hasattr(cls, "__post_init__"):
        one = [st.builds(cls, **{name: values}) for name, (values, _) in members.items()]
        return st.one_of(one)
    needed = {name: values for name, (values, required) in members.items() if required}
    optional = {name: values for name, (values, required) in members.items() if not required}
    return st.fixed_dictionaries(needed, optional=optional).map(lambda given: cls(**given))


def of(type_: inspect.Type, at: tuple[type, str]) -> st.SearchStrategy[Any]:
    """Any value of a type."""
    match type_:
        case inspect.Metadata():
            return of(type_.type, at)
        case inspect.StructType():
            cls, fields = type_.cls, type_.fields
            if cls not in made:
                # It may hold itself: what is held is made when it is asked for, and rarely.
                made[cls] = st.deferred(lambda: of_struct(cls, fields))
            return made[cls]
        case inspect.EnumType():
            return st.sampled_from(list(type_.cls))
        case inspect.UnionType():
            kinds = [kind for kind in type_.types if not is_unset(kind)]
            return st.one_of(*(of(kind, at) for kind in kinds))
        case inspect.ListType():
            return st.lists(of(type_.item_type, at), max_size=min(3, type_.max_length or 3))
        case inspect.TupleType():
            return st.tuples(*(of(item, at) for item in type_.item_types))
        case inspect.DictType():
            return st.dictionaries(st.text(), of(type_.value_type, at), max_size=3)
        case inspect.IntType():
            return st.integers(-SAFE if type_.ge is None else type_.ge, SAFE if type_.le is None else type_.le)
        case inspect.FloatType():
            return numbers.filter(lambda n: (type_.gt is None or n > type_.gt) and (type_.le is None or n <= type_.le))
        case inspect.StrType():
            if type_.pattern is not None:
                return st.from_regex(re.compile(type_.pattern, re.ASCII), fullmatch=True).filter(lambda t: t[-1:] != "\n")
            return st.text(min_size=type_.min_length or 0, max_size=min(12, type_.max_length or 12))
        case inspect.BytesType():
            return st.binary(max_size=40)
        case inspect.DateTimeType():
            return times
        case inspect.CustomType() if type_.cls is Big:
            least, most = WIDTHS.get(at, (-(10**60), 10**60))
            return st.integers(least, most).map(Big)
        case inspect.BoolType():
            return st.booleans()
        case inspect.NoneType():
            return st.none()
        case _:
            raise TypeError(f"{at[0].__name__}.{at[1]}: values of {type_!r} are not made")


def is_unset(type_: inspect.Type) -> bool:
    return isinstance(type_, inspect.CustomType) and type_.cls is msgspec.UnsetType


everything = of(inspect.type_info(c.Everything), (c.Everything, ""))
seen: set[str] = set()


def look(value: Any) -> None:
    """Notes what kinds of value there were: a test of types that were never made would prove nothing."""
    seen.add(type(value).__name__)
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            look(getattr(value, name))
    elif isinstance(value, (list, tuple)):
        for item in value:
            look(item)
    elif isinstance(value, dict):
        for item in value.values():
            look(item)


with host.Plugin.start(sys.argv[1:]) as plugin:
    catalog = plugin.client(c.Catalog)

    @seed(7)
    @settings(max_examples=CASES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(everything)
    def comes_back(value: c.Everything) -> None:
        look(value)
        back = catalog.echo(everything=value)
        assert back == value, f"{back!r}, not {value!r}"

    comes_back()

wanted = {"Created", "Moved", "EventDeleted", "Person", "Measured", "ShapeValue", "ShapeName", "Status", "Big", "bytes"}
wanted |= {"datetime", "tuple", "dict", "NoneType", "float", "bool", "EntryPlace"}
assert CASES < 100 or wanted <= seen, f"never made: {wanted - seen}"
print("ok")
