"""Every kind of event there is, made up."""

from dataclasses import fields
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

from hypothesis import strategies as st

from application.discovery import import_all
from domain.kernel import Root
from infra.store.codec import layout_of
from tests.support.given import ID, NOW

import_all("domain")
ROOTS: list[Any] = sorted(
    (root for root in Root.__subclasses__() if root.__module__.startswith("domain.")), key=lambda root: root.__module__
)

CANARY = "canary4711"
CANARY_ID = UUID(int=0xCA7A_4711_CA7A_4711)
"""An address's blind id."""


def event_classes(root: type[Root]) -> list[type[Root.Event]]:
    """The events of an aggregate, its first one first."""
    return [value for value in vars(root).values() if isinstance(value, type) and hasattr(value, "TOPIC")]


EVENT_CLASSES = [kind for root in ROOTS for kind in event_classes(root)]


@cache
def events(kind: type[Root.Event]) -> st.SearchStrategy[Root.Event]:
    """Any event of a class."""
    hints = get_type_hints(kind) | {"originator_id": UUID}
    return st.builds(kind, **{field.name: _values(field.name, hints[field.name]) for field in fields(kind)})


def canary(kind: type[Root.Event], version: int = 1) -> Root.Event:
    """An event with a canary in each field that is personal, or tells an address."""
    personal = {name for group in layout_of(kind).groups for name in group.names}
    hints = get_type_hints(kind) | {"originator_id": UUID}
    given = {field.name: _plain(field.name, hints[field.name]) for field in fields(kind)}
    given |= {name: [CANARY] if isinstance(given[name], list) else CANARY for name in personal}
    if "address_id" in given:
        given["address_id"] = CANARY_ID
    return kind(**{**given, "originator_id": ID, "originator_version": version, "timestamp": NOW})


def _plain(name: str, hint: Any) -> Any:
    """Some value of a type."""
    hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(hint) is list:
        return []
    if type(None) in get_args(hint) and hint != str | None:
        return _plain(name, get_args(hint)[0])
    simple: dict[Any, Any] = {
        UUID: UUID(int=len(name)),
        datetime: NOW,
        int: 1,
        float: 0.5,
        bool: True,
        str: "",
        str | None: None,
    }
    return simple[hint] if hint in simple else get_args(hint)[0]


def _values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    if hint is datetime:
        return st.datetimes(datetime(2020, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
    if hint in (int, int | None):
        numbers = st.integers(1, 2**53)
        return numbers if hint is int else st.none() | numbers
    if name == "month":
        return st.dates().map(lambda day: day.isoformat()[:7])
    return st.from_type(hint)
