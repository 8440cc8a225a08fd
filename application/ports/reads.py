"""Port to the tables of the read models."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar
from uuid import UUID

T = TypeVar("T")

Params = Sequence[Any] | Mapping[str, Any]


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
