"""The way of every command, once: find its handler, retry what others overtook, answer a repeated key alike, and count.

A handler loads, calls one method and stages; the bus appends. So a command, its answer and its Idempotency-Key become
true together or not at all. Most keys are new, so nobody looks for an earlier answer first: the append finds it, or
whoever was refused looks for it then. A repeat costs what the handler costs.
"""

import asyncio
import inspect
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar, dataclass_transform, get_type_hints
from uuid import UUID

import msgspec

from application.ports import (
    A,
    Actor,
    Busy,
    CommandContext,
    EventStore,
    Idempotency,
    InFlight,
    KeyReused,
    OutcomeUnknown,
    StaleVersion,
    StoredResponse,
    Unavailable,
    VersionConflict,
)
from application.stream_locks import StreamLocks
from domain.kernel import Claim, NotFound, Refusal, Root

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

ATTEMPTS = 8
FIRST_PAUSE = 0.005


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _CommandMeta(msgspec.StructMeta):
    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "_CommandMeta":
        return super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True)


class Command(msgspec.Struct, Generic[R], metaclass=_CommandMeta):
    """A wish, named in the imperative. `R` is what its sender gets back: None or a dataclass of plain values."""

    def __repr__(self) -> str:
        # Commands carry passwords and personal data, which no log or traceback may show.
        return f"{type(self).__name__}(...)"


@dataclass(frozen=True, slots=True)
class CommandResult(Generic[R]):
    """What became of a command. `replayed`: this is an earlier answer.

    `position`: of the last event; where nothing was new, one that the answer is no newer than, or None.
    """

    answer: R
    position: int | None
    replayed: bool = False


Handler = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler, the ports its parameters name, and the type of its answer."""

    handler: Handler
    ports: tuple[str, ...]
    answer: Any


HANDLERS: dict[type[Command[Any]], Registration] = {}

H = TypeVar("H", bound=Handler)


def handles(handler: H) -> H:
    """Make `handler` the one for the command that its first parameter names; the others name ports.

    Raises:
        TypeError: the command has a handler already.
    """
    first, *ports = inspect.signature(handler).parameters
    hints = get_type_hints(handler)
    command = hints[first]
    if command in HANDLERS:
        raise TypeError(f"{command.__name__} has two handlers")
    HANDLERS[command] = Registration(handler, tuple(ports), hints["return"])
    return handler


class KeyedHash(Protocol):
    """Keyed digests, so that what is kept of keys and requests says nothing about them."""

    def __call__(self, *parts: bytes) -> bytes:
        """A digest of 32 bytes."""


class Observer(Protocol):
    """Is told how each command ended: `done`, `replayed`, a refusal's code, or `error`; `seconds` includes retries."""

    def __call__(self, command: str, outcome: str, attempts: int, seconds: float) -> None: ...


class UnitOfWork:
    """One attempt of one command: loads through to the event store, and keeps what is staged (`ports.Store`)."""

    def __init__(self, events: EventStore) -> None:
        self._events = events
        self.staged: list[Root] = []
        self.subject_id: UUID | None = None
        """What the command is about: the first that it stages, or else that it loads."""

    async def get(self, kind: type[A], id: UUID, *, version: int | None = None, expected: int | None = None) -> A:
        root = await self._events.load(kind, id, version=version)
        if root is None:
            raise NotFound(f"There is no such {kind.__name__.lower()}.")
        if expected is not None and root.version != expected:
            raise StaleVersion(root.version)
        self.subject_id = self.subject_id or id
        return root

    async def claimed_by(self, claim: Claim) -> UUID | None:
        return await self._events.claimed_by(claim)

    def save(self, *aggregates: Root) -> None:
        changed = [root for root in aggregates if root.pending_events]
        if changed and not self.staged:
            self.subject_id = changed[0].id
        self.staged += changed


class Bus:
    """Sends commands to their handlers."""

    def __init__(
        self,
        events: EventStore,
        ports: Mapping[str, object],
        digests: KeyedHash,
        observe: Observer = lambda *_: None,
    ) -> None:
        self._events = events
        self._ports = dict(ports)
        self._digests = digests
        self._observe = observe
        self._in_flight: set[bytes] = set()
        self._turns = StreamLocks()

    async def send(self, command: Command[R], call: CommandContext) -> CommandResult[R]:
        """Carry out `command` once.

        Raises:
            Refusal: a rule said no (InFlight, KeyReused, StaleVersion, Busy, Taken among them); nothing was written.
            Unavailable: a server does not answer; nothing was written.
            OutcomeUnknown: it may have been written; the same Idempotency-Key tells.
        """
        name = type(command).__name__
        started = perf_counter()
        attempt = _Attempts()
        outcome = "error"
        try:
            sent = await self._once(command, call, attempt)
            outcome = "replayed" if sent.replayed else "done"
            return sent
        except Refusal as refusal:
            outcome = refusal.code
            raise
        finally:
            self._observe(name, outcome, attempt.count, perf_counter() - started)

    async def _once(self, command: Command[R], call: CommandContext, attempt: "_Attempts") -> CommandResult[R]:
        if call.idempotency_key is None:
            return await self._retrying(command, call, None, attempt)
        keyed = self._keyed(command, call, call.idempotency_key)
        if keyed.key in self._in_flight:
            raise InFlight("A request with this Idempotency-Key is still under way; ask again in a moment.")
        self._in_flight.add(keyed.key)
        try:
            return await self._retrying(command, call, keyed, attempt)
        except (Refusal, OutcomeUnknown) as failure:
            # This very request may have been committed before: what is refused now was done then.
            if isinstance(failure, KeyReused):
                raise
            try:
                earlier = await self._events.stored_response(keyed.key)
            except Unavailable as unavailable:
                # Nobody can be asked: what is unknown stays unknown.
                raise (failure if isinstance(failure, OutcomeUnknown) else unavailable) from None
            if earlier is None:
                raise
            return self._replay(command, keyed, earlier)
        finally:
            self._in_flight.discard(keyed.key)

    async def _retrying(
        self, command: Command[R], call: CommandContext, keyed: "_IdempotencyScope | None", attempt: "_Attempts"
    ) -> CommandResult[R]:
        contended: Sequence[UUID] = ()
        pause = FIRST_PAUSE
        for attempt.count in range(1, ATTEMPTS + 1):
            async with self._turns.of(contended) if contended else nullcontext():
                try:
                    return await self._try(command, call, keyed)
                except VersionConflict as conflict:
                    if contended:
                        # Another process, then. Full jitter: those who met once do not meet again in step.
                        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
                        pause *= 2
                    contended = conflict.stream_ids
        raise Busy("Others are changing the same thing; read it again, then retry.")

    async def _try(
        self, command: Command[R], call: CommandContext, keyed: "_IdempotencyScope | None"
    ) -> CommandResult[R]:
        registration = HANDLERS[type(command)]
        unit = UnitOfWork(self._events)
        answer = await registration.handler(command, **self._arguments(registration, unit, call))
        record = None
        if keyed is not None and unit.subject_id is not None:
            packed = msgspec.msgpack.encode(answer)
            record = Idempotency(keyed.key, keyed.fingerprint, packed, unit.subject_id)
        if not unit.staged and record is None:
            if keyed is not None and (earlier := await self._events.stored_response(keyed.key)) is not None:
                return self._replay(command, keyed, earlier)
            return CommandResult(answer, None)
        # Where nothing was new the answer is kept all the same: later, the same request might find something to do.
        appended = await self._events.append(unit.staged, call, record)
        if isinstance(appended, StoredResponse):
            assert keyed is not None
            return self._replay(command, keyed, appended)
        return CommandResult(answer, appended)

    def _arguments(self, registration: Registration, unit: UnitOfWork, call: CommandContext) -> dict[str, object]:
        own: dict[str, object] = {"store": unit, "actor": call.actor, "call": call}
        return {name: own[name] if name in own else self._ports[name] for name in registration.ports}

    def _keyed(self, command: Command[Any], call: CommandContext, key: str) -> "_IdempotencyScope":
        who = call.actor.user_id.bytes if call.actor else b""
        fingerprint = self._digests(b"command", who, type(command).__name__.encode(), msgspec.msgpack.encode(command))
        # Whoever has no name shares their keys with nobody who asks for something else.
        return _IdempotencyScope(
            key=self._digests(b"idempotency", who or fingerprint, key.encode()), fingerprint=fingerprint
        )

    def _replay(self, command: Command[R], keyed: "_IdempotencyScope", earlier: StoredResponse) -> CommandResult[R]:
        if earlier.fingerprint != keyed.fingerprint:
            raise KeyReused("This Idempotency-Key came with a different request before; use a new key.")
        answer = msgspec.msgpack.decode(earlier.answer, type=HANDLERS[type(command)].answer)
        return CommandResult(answer, earlier.position, replayed=True)


@dataclass(frozen=True, slots=True)
class _IdempotencyScope:
    key: bytes
    fingerprint: bytes


@dataclass(slots=True)
class _Attempts:
    count: int = 0


__all__ = ["HANDLERS", "Actor", "Bus", "Command", "CommandResult", "KeyedHash", "Observer", "UnitOfWork", "handles"]
