"""Consumers: what projectors feed with the events of the log. Read models are consumers, and policies."""

from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from typing import Any, Protocol
from uuid import UUID

from application.ports import RecordedEvent
from infra.postgres.projector_connection import Connection, is_poison
from infra.projector.checkpoints import Checkpoint, Checkpoints
from projections.kernel import Poison


class BatchPostponed(Exception):
    """A consumer cannot apply a batch now. Neither an event nor the database is the cause; a repeat helps."""


class LogConsumer(Protocol):
    """Applies events, and keeps what follows from them in the transaction of its checkpoint."""

    @property
    def name(self) -> str:
        """The name of its checkpoint."""

    @property
    def version(self) -> int:
        """The version of its code."""

    async def apply(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """Apply `events`, in order, but for those of `quarantined` streams.

        Returns the events that cannot be applied; no later event of their streams is applied.

        Raises:
            BatchPostponed: not now.
            Exception: a write failed; `is_poison` says whether an event is the cause.
        """

    async def apply_carefully(
        self, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID] = ()
    ) -> list[Poison]:
        """As `apply`, but an event that the database refuses is found by bisection, and stops its stream alone."""


class LogConsumerSet(Protocol):
    """Consumers of one kind, and what is special about the kind."""

    @property
    def members(self) -> Sequence[LogConsumer]:
        """The consumers."""

    @property
    def checkpoints(self) -> Checkpoints:
        """The checkpoints of the kind."""

    @property
    def batch_size(self) -> int:
        """Events in one transaction, at most."""

    async def prepare(self, connection: Connection, names: Collection[str]) -> None:
        """Create the missing checkpoints, and what else these consumers need."""

    def rebuild(self, name: str, checkpoint: Checkpoint, head: int) -> Coroutine[Any, Any, object] | None:
        """Return the work that rebuilds what the consumer keeps; None: it goes on from its checkpoint.

        `head`: the last position of the log.
        """


ApplyEvents = Callable[[Connection, Sequence[RecordedEvent], Collection[UUID]], Awaitable[list[Poison]]]


async def bisect(
    apply: ApplyEvents, connection: Connection, events: Sequence[RecordedEvent], quarantined: Collection[UUID]
) -> list[Poison]:
    """Apply events, and search for those that the database refuses: each half in a transaction, then its halves."""
    try:
        async with connection.transaction():
            return await apply(connection, events, quarantined)
    except Exception as error:
        if isinstance(error, BatchPostponed) or not is_poison(error):
            raise
        if len(events) == 1:
            return [Poison(events[0].stream_id, events[0].position, type(error).__name__)]
    half = len(events) // 2
    poisons = await bisect(apply, connection, events[:half], quarantined)
    excluded = {*quarantined, *(poison.stream_id for poison in poisons)}
    return poisons + await bisect(apply, connection, events[half:], excluded)
