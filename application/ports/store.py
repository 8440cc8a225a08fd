"""Ports to the event store: `Store` for command handlers, `EventStore` for the bus."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec

from application.ports.client import Client
from application.ports.histories import HistoryFilter, TraceSlice
from application.ports.reads import StoredEvents
from domain.kernel import Claim, Root

A = TypeVar("A", bound=Root)


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated user (implements `domain.access.Person`).

    `address_id` is the blind id of their verified email address: shares and invitations name addresses until they are
    used. `lent`: the roles that share links and teams give, by the id of the document or of the team;
    `application/admission.py` sets them on each load.
    """

    user_id: UUID
    address_id: UUID | None = None
    lent: dict[UUID, Any] = field(default_factory=dict, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Precondition:
    """The state that a command may change, named by entity tags without their quotes (`application/preconditions.py`).

    `one_of`: the current tag must be among these (None: any may be). `none_of`: it must not be among these. `absent`:
    nothing may be there.
    """

    one_of: frozenset[str] | None = None
    none_of: frozenset[str] = frozenset()
    absent: bool = False


@dataclass(frozen=True, slots=True)
class CommandContext:
    """Metadata of one command: its actor (None: anonymous), its trace of causes, its Idempotency-Key, its precondition.

    `on_behalf_of`: the user for whom the actor acts, if that is another one. Without an actor an operator acts, who may
    do what the user may do: handlers get the user as the port `actor`, and events have no actor. `traceparent`: W3C
    Trace Context, version 00, as text. `client`: the program that sent it, if it came by HTTP; handlers get it as the
    port `client`. `session_id`: the actor's session; handlers get it as the port `session_id`.
    """

    actor: Actor | None
    correlation_id: UUID
    causation_id: UUID | None = None
    idempotency_key: str | None = None
    on_behalf_of: UUID | None = None
    traceparent: str | None = None
    precondition: Precondition | None = None
    client: Client | None = None
    session_id: UUID | None = None

    @property
    def person(self) -> Actor | None:
        """The user whose rights count: the actor, or else the user for whom an operator acts."""
        if self.actor is None and self.on_behalf_of is not None:
            return Actor(self.on_behalf_of)
        return self.actor


class Reference(msgspec.Struct, frozen=True):
    """An answer that is built again when it is needed: from an aggregate at a version."""

    kind: type[Root]
    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Copy:
    """An answer that is kept itself, encoded and sealed. `secret`: for a short time only, then `encoded` is None."""

    encoded: bytes | None
    secret: bool = False


KeptAnswer = Reference | Copy | None
"""What is kept of an answer. None: the command answers nothing."""


class Idempotency(msgspec.Struct, frozen=True):
    """The record to store of a keyed request. `key`, `fingerprint`: digests of the key and of the command.

    `subject_id`: the subject of the answer. `stream_id`, `version`: the command's last event; without events, the state
    that it found. `time`: the time of the command.
    """

    key: bytes
    fingerprint: bytes
    subject_id: UUID
    stream_id: UUID
    version: int
    time: datetime
    answer: KeptAnswer


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The answer to an earlier request with the same Idempotency-Key. `position`: of the event that it names."""

    fingerprint: bytes
    answer: KeptAnswer
    time: datetime
    position: int


class Store(Protocol):
    """The event store as a handler sees it: one attempt of one command."""

    async def get(self, kind: type[A], id: UUID, *, version: int | None = None) -> A:
        """Load the aggregate: the current one, or as it was at `version`.

        Raises:
            NotFound: there is no such stream of that kind, or it has no such version.
            StaleVersion, UnwantedMatch: it does not meet the caller's precondition.
            Unavailable: the database does not answer.
            Unreadable: the stream cannot be read.
        """

    async def shell(self, kind: type[A], id: UUID) -> A:
        """Return the aggregate without its state, to erase a stream that cannot be read (`Root.erase_unread`).

        It has the id, the last version and the tenant of the stream, and `erased`.

        Raises:
            NotFound: there is no such stream of that kind.
            Unavailable: the database does not answer.
            Unreadable: none of its events can be read.
        """

    async def basis(self, kind: type[A], id: UUID) -> A | None:
        """Load an aggregate by which the changes are judged; None: it has never begun.

        If it changes, or begins, before the changes are appended, that is a conflict, and the command runs again. Of
        several calls the first one counts: what was decided after it was decided by that version.

        Raises:
            Unavailable: the database does not answer.
            Unreadable: the stream cannot be read.
        """

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """Return the id of the stream that holds the claim. Raises `Unavailable`."""

    def save(self, *aggregates: Root) -> None:
        """Stage the pending events of the aggregates. The bus appends all of them, atomically, after the handler.

        Save what the command is about, also without events: the bus then waits for what an earlier command took away.
        """


class EventStore(StoredEvents, Protocol):
    """The event store as the bus sees it."""

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        """Load the aggregate, the current one or as it was at `version`; None: there is none of that kind.

        Raises:
            Unavailable: the database does not answer.
            Unreadable: the stream cannot be read.
        """

    async def shell(self, kind: type[A], id: UUID) -> A | None:
        """Return the aggregate without its state, as `Store.shell` does; None: there is none of that kind.

        Raises:
            Unavailable: the database does not answer.
            Unreadable: none of its events can be read.
        """

    async def claimed_by(self, claim: Claim) -> UUID | None:
        """Return the id of the stream that holds the claim. Raises `Unavailable`."""

    async def append(
        self,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int] | None = None,
    ) -> "int | StoredResponse":
        """Append the pending events of all `changes`, or none of them, with their claims and the idempotency record.

        `judged_by`: the versions of other streams by which the changes were judged. If one has changed, it is a
        conflict, too.

        Returns the position of the last event, or without events that of the event that the record names; or, where
        the key was used before, the response stored then.

        Raises:
            VersionConflict: another append to one of the streams, or to one of `judged_by`, came first.
            ClaimTaken: a claim is held by another stream.
            NotFound: an aggregate, the subject of the answer, or another subject of an event has been erased.
                An address may be used again.
            OutcomeUnknown: the connection broke while the append was in flight.
            Unavailable: the database does not answer; nothing was written.
            Unreadable: a data key that the events need, or the response stored before, cannot be read; nothing was
                written.
        """

    async def stored_response(self, key: bytes) -> StoredResponse | None:
        """Return the response to an earlier request with this key (a digest, 32 bytes).

        Raises:
            NotFound: the subject of the answer has been erased since.
            Unavailable: the database does not answer.
            Unreadable: the response cannot be read.
        """

    async def history(self, stream_id: UUID, wanted: HistoryFilter, before: int, count: int) -> TraceSlice:
        """Search a stream for `count` events before a position, the latest first. One search is bounded.

        So it may return fewer events, or none: the next one goes on from `reached`.

        Raises:
            Unavailable: the database does not answer.
        """

    async def last_position(self, stream_id: UUID, topics: Collection[str] | None = None) -> int:
        """Return the position of the stream's last event of these topics; 0 where it has none. Raises `Unavailable`."""
