"""Ports to the tables of the read models, and to the events that hold what the tables do not: names and addresses."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

from domain.kernel import Root

T = TypeVar("T")

Params = Sequence[Any] | Mapping[str, Any]

EventPlace = tuple[UUID, int]
"""The stream and the version of an event."""


class StoredEvents(Protocol):
    """Reads single events. Read models keep no names and addresses of people, but the place of the event with them."""

    async def events(self, places: Sequence[EventPlace]) -> list[Root.Event]:
        """Return the events at these places, in their order. Personal fields read as erased once they are.

        Raises:
            Unavailable: the database does not answer.
            Unreadable: one of the events cannot be read.
        """


class ReadStore(Protocol):
    """Reads the tables of read models. A row is returned as the dataclass `kind`; its fields are the query's columns.

    Raises:
        Unavailable: the database does not answer.
    """

    def after(self, position: int) -> "ReadStore":
        """Return a store that takes no answer from a cache that is older than `position`."""

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]: ...

    async def one(self, kind: type[T], query: str, params: Params) -> T | None: ...

    async def by_key(self, kind: type[T], query: str, key: UUID) -> T | None:
        """Return one row by its key. Concurrent calls share one round trip.

        For that, `query` contains `= ANY(%s)` and selects the key as its first column.
        """
