"""What use cases need from the outside, and the words they share with it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from domain.kernel import Claim, Conflict, Root

A = TypeVar("A", bound=Root)
T = TypeVar("T")


class StaleVersion(Conflict):
    """The caller named a version (`If-Match`) that is no longer the current one."""

    def __init__(self, current: int) -> None:
        super().__init__(f"The current version is {current}; read it, then send your change again.")


class Busy(Conflict):
    """Others changed the same thing again and again while this command tried."""


class ClaimTaken(Conflict):
    """Another stream holds the claim."""

    code = "taken"

    def __init__(self, kind: str) -> None:
        super().__init__(f"This {kind.replace('_', ' ')} is taken; choose another.")
        self.kind = kind


class KeyReused(Conflict):
    """An Idempotency-Key came back with a different request."""


class InFlight(Conflict):
    """The first request with this Idempotency-Key has not been answered yet."""


class VersionConflict(Exception):
    """Another append to one of the streams came first; load again and retry."""

    def __init__(self, stream_ids: Sequence[UUID] = ()) -> None:
        super().__init__("another append came first")
        self.stream_ids = stream_ids


class Unavailable(Exception):
    """A server we depend on does not answer. `retry_after` is in seconds."""

    def __init__(self, what: str, retry_after: int = 2) -> None:
        super().__init__(f"{what} is not available")
        self.what = what
        self.retry_after = retry_after


class NotSettled(Exception):
    """The command was carried out, but a read may still pass that it forbids. `retry_after` is in seconds."""

    retry_after = 2


class OutcomeUnknown(Unavailable):
    """The connection was cut after the append was sent: it may or may not have been committed."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks. `address_id` is the blind id of their verified email address: shares and invitations go by it."""

    user_id: UUID
    address_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class CommandContext:
    """The circumstances of one command: who, as part of what, and under which Idempotency-Key."""

    actor: Actor | None
    correlation_id: UUID
    causation_id: UUID | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Stands for an event that could not be read; `error` is the class of what went wrong."""

    error: str


class RecordedEvent(msgspec.Struct, frozen=True):
    """An event as it stands in the log. `data` is the upcast, unsealed event.

    A struct: a frozen dataclass takes fifteen times as long to make, and a rebuild makes one for every event there is.
    """

    position: int
    stream_id: UUID
    version: int
    topic: str
    recorded_at: datetime
    actor_id: UUID | None
    data: Root.Event | Undecodable


@dataclass(frozen=True, slots=True)
class Idempotency:
    """What is kept of a keyed request: digests of key and command, and the sealed answer."""

    key: bytes
    fingerprint: bytes
    answer: bytes
    subject_id: UUID


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The answer that an earlier request with the same Idempotency-Key got."""

    fingerprint: bytes
    answer: bytes
    position: int


class EventFeed(Protocol):
    """The log as projections read it. A position, once seen, never hides an earlier one that comes later."""

    async def head(self) -> int:
        """The last position; 0 in an empty log."""

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        """At most `limit` events after the position `after`, in order."""

    async def stream(self, stream_id: UUID, first: int, last: int) -> Sequence[RecordedEvent]:
        """The events of one stream from position `first` to `last`, in order."""

    async def wait(self, after: int, timeout: float) -> None:
        """Return when there may be events after `after`, at the latest after `timeout` seconds."""


@dataclass(frozen=True, slots=True)
class PartitionBatch:
    """All events of one partition of the log after the position `after` up to `position`, in order.

    `offset`: the offset of the partition's next record in the feed; None: the batch was not read from the feed.
    """

    partition: int
    after: int
    position: int
    events: Sequence[RecordedEvent]
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class PartitionCheckpoint:
    """Start of reading in a partition: after `position`. `offset`, if known, is at that record or before it."""

    position: int
    offset: int | None = None


class PartitionedFeed(Protocol):
    """The log in partitions, which several readers share. All events of a stream are in one partition.

    A partition can be reassigned at any moment, and two readers may have it for a while: readers keep their checkpoints
    in one place, and drop events that another reader has applied already.
    """

    async def count(self) -> int:
        """How many partitions there are.

        Raises:
            Unavailable: the feed cannot be reached.
        """

    def newly_assigned(self) -> Sequence[int]:
        """The partitions that were assigned to this reader and wait for `start_at`."""

    def active(self) -> Sequence[int]:
        """The partitions that this reader reads: assigned and started."""

    async def start_at(self, checkpoints: Mapping[int, PartitionCheckpoint]) -> None:
        """Start reading at these checkpoints, by partition. Partitions that were revoked meanwhile are ignored.

        Raises:
            Unavailable: the feed cannot be reached.
        """

    async def next(self, timeout: float) -> Sequence[PartitionBatch]:
        """The next batches, of any active partitions; none if that takes more than `timeout` seconds.

        Batches of a partition come in order. If one does not begin where the one before it ended, or at the
        partition's checkpoint, records are missing.
        """


class Clock(Protocol):
    """Tells the time."""

    def __call__(self) -> datetime: ...


class NewId(Protocol):
    """Makes ids that sort by time (UUIDv7, RFC 9562)."""

    def __call__(self) -> UUID: ...


class Store(Protocol):
    """What a handler sees of the event store: one attempt of one command."""

    async def get(self, kind: type[A], id: UUID, *, version: int | None = None, expected: int | None = None) -> A:
        """The aggregate as it is now, or as it was at `version`.

        Raises:
            NotFound: there is no such stream of that kind, or it has no such version.
            StaleVersion: `expected` is given and is not the current version.
        """

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """The stream that holds the claim."""

    def save(self, *aggregates: Root) -> None:
        """Stage the aggregates' news. The bus appends all of it, atomically, when the handler has returned."""


class EventStore(Protocol):
    """What the bus sees of the event store."""

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        """The aggregate now, or as it was at `version`; None where there is none of that kind."""

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """The stream that holds the claim."""

    async def append(
        self, changes: Sequence[Root], call: CommandContext, idempotency: Idempotency | None
    ) -> "int | StoredResponse":
        """Append the pending events of all `changes`, or none of them, with their claims and the idempotency record.

        Answers the position of the last event; or what was answered to an earlier request with the same key.

        Raises:
            VersionConflict: another append to one of the streams came first.
            Taken: a claim is held by another stream.
            OutcomeUnknown: the connection broke while the append was under way.
            Unavailable: the database does not answer; nothing was written.
        """

    async def stored_response(self, key: bytes) -> StoredResponse | None:
        """What was answered to an earlier request with this key (a digest, 32 bytes)."""

    async def last_position(self, stream_id: UUID, topics: Collection[str]) -> int:
        """The position of the stream's last event of these topics; 0 where it has none."""


class Positions(Protocol):
    """The positions that read models have reached."""

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait until the read model has reached `position`, for at most `timeout` seconds.

        Returns by how many positions it is behind: 0 when it has reached it.
        """


class EmailIndex(Protocol):
    """Blind ids of email addresses."""

    def address_id(self, email: str) -> UUID:
        """The id of an address: the same whatever its case and Unicode form, meaningless without our key."""


class Passwords(Protocol):
    """Hashes and checks passwords, off the event loop."""

    async def hash(self, password: str) -> str: ...

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is right. Takes as long when there is no hash to compare with (`None`: always false)."""

    async def weakness(self, password: str, *known: str) -> str | None:
        """Why the password is too weak, for its user; None when it is good. `known`: words it may not rest on."""


Params = Sequence[Any] | Mapping[str, Any]


class ReadStore(Protocol):
    """Reads read models. Rows come back as the dataclass asked for; its fields are the query's columns.

    Raises:
        Unavailable: the database does not answer.
    """

    def after(self, position: int) -> "ReadStore":
        """The same, with no answer from a cache that is older than `position`."""

    async def all(self, kind: type[T], query: str, params: Params) -> list[T]: ...

    async def one(self, kind: type[T], query: str, params: Params) -> T | None: ...

    async def by_key(self, kind: type[T], query: str, key: UUID) -> T | None:
        """One row by its key. `query` holds `= ANY(%s)` and selects the key as its first column, so that gets that are
        in flight at once share one round trip."""
