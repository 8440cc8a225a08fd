"""Given what happened, when a command, then news: the words of every domain test."""

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
    """What happened, or should have. A misspelt or missing field fails here.

    Raises:
        TypeError: the event has other fields.
    """
    kind(originator_id=ID, originator_version=1, timestamp=NOW, **values)
    return Fact(kind, values)


def given(kind: type[A], *past: Fact, at: datetime = NOW) -> A:
    """The aggregate `ID` after what happened, all of it at once."""
    root: Any = None
    for version, happened in enumerate(past, start=1):
        event = happened.kind(originator_id=ID, originator_version=version, timestamp=at, **happened.fields)
        root = event.mutate(root)
    assert type(root) is kind
    return root


def news(root: Root) -> list[Fact]:
    """What the aggregate decided since it was loaded."""
    return [bare(event) for event in root.pending_events if isinstance(event, Root.Event)]


def bare(event: Root.Event) -> Fact:
    """The event without its envelope."""
    values = {field.name: getattr(event, field.name) for field in fields(event) if field.name not in ENVELOPE}
    return Fact(type(event), values)


def replayed(root: A) -> A:
    """The aggregate as its news alone rebuild it."""
    again: Any = None
    for event in root.pending_events:
        again = event.mutate(again)
    assert type(again) is type(root)
    return again


def state(root: Root) -> dict[str, Any]:
    """What the aggregate knows, without its news."""
    return {name: value for name, value in vars(root).items() if name != "_pending_events"}


def person(number: int, *, address: int | None = None) -> Actor:
    """Somebody. Their address is verified unless `address` is 0; by default it has their number."""
    number_of_address = number if address is None else address
    return Actor(UUID(int=number), UUID(int=number_of_address + 1000) if number_of_address else None)


def address_of(somebody: Actor) -> UUID:
    """The blind id of somebody's verified address."""
    assert somebody.address_id is not None
    return somebody.address_id
