"""Words of every domain test: given past events, when a command, then new events."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

from application.ports import Actor
from domain.kernel import Root

A = TypeVar("A", bound=Root)

ID = UUID(int=0x1D)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
ENVELOPE = {"originator_id", "originator_version", "timestamp"}


@dataclass(frozen=True)
class Fact:
    """An event without its envelope."""

    kind: type[Root.Event]
    fields: dict[str, Any]


def fact(kind: type[Root.Event], **values: Any) -> Fact:
    """Return an event to expect or to start from. A misspelt or missing field fails here.

    Raises:
        TypeError: the event has other fields.
    """
    kind(originator_id=ID, originator_version=1, timestamp=NOW, **values)
    return Fact(kind, values)


def given(kind: type[A], *past: Fact, at: datetime = NOW) -> A:
    """Return the aggregate `ID` after these events, all at the same time."""
    root: Any = None
    for version, happened in enumerate(past, start=1):
        event = happened.kind(originator_id=ID, originator_version=version, timestamp=at, **happened.fields)
        root = event.mutate(root)
    assert type(root) is kind
    return root


def new_events(root: Root) -> list[Fact]:
    """Return the events that the aggregate triggered since it was loaded."""
    return [bare(event) for event in root.pending_events if isinstance(event, Root.Event)]


def bare(event: Root.Event) -> Fact:
    """Return the event without its envelope."""
    values = {field.name: getattr(event, field.name) for field in fields(event) if field.name not in ENVELOPE}
    return Fact(type(event), values)


def replayed(root: A) -> A:
    """Return the aggregate, rebuilt from its pending events only."""
    again: Any = None
    for event in root.pending_events:
        again = event.mutate(again)
        again.tenant = root.tenant
    assert type(again) is type(root)
    return again


def state(root: Root) -> dict[str, Any]:
    """Return the attributes of the aggregate, without its pending events."""
    return {name: value for name, value in vars(root).items() if name != "_pending_events"}


def person(number: int, *, address: int | None = None) -> Actor:
    """Return a person. Their address is verified unless `address` is 0; by default it has their number."""
    number_of_address = number if address is None else address
    return Actor(UUID(int=number), UUID(int=number_of_address + 1000) if number_of_address else None)


def address_of(who: Actor) -> UUID:
    """Return the blind id of a person's verified address."""
    assert who.address_id is not None
    return who.address_id
