"""Command bus: finds the handler, retries version conflicts, stores and repeats keyed answers, waits for revocations.

A handler loads aggregates, calls one method and stages them; the bus appends. Events, the answer and its
Idempotency-Key are committed together or not at all. Most keys are new, so the bus does not look for a stored answer
first: the append reports it, and a refused or failed command looks for it afterwards. So a repeat runs the handler.
"""

import asyncio
import random
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

import msgspec

from application.commands import HANDLERS, Command, CommandResult, Registration
from application.ports import (
    Busy,
    CommandContext,
    EventStore,
    Idempotency,
    InFlight,
    KeyReused,
    NotSettled,
    OutcomeUnknown,
    StoredResponse,
    Unavailable,
    VersionConflict,
)
from application.revocation import Revocations, Settlement, revoked_by, settle, settle_earlier, settle_erasures
from application.stream_locks import StreamLocks
from application.unit_of_work import UnitOfWork
from domain.kernel import Refusal, Root

R = TypeVar("R")

ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.005


class KeyedHash(Protocol):
    """A keyed digest: stored digests of keys and requests reveal nothing about them."""

    def __call__(self, *parts: bytes) -> bytes:
        """Return a digest of 32 bytes."""


class Observer(Protocol):
    """Receives the outcome of each command: `done`, `replayed`, `not_settled`, a refusal's code, or `error`.

    `seconds` includes retries and waits.
    """

    def __call__(self, command: str, outcome: str, attempts: int, seconds: float) -> None: ...


class Bus:
    """Sends commands to their handlers. `settlement` waits for revocations; None: the bus does not wait."""

    def __init__(
        self,
        events: EventStore,
        ports: Mapping[str, object],
        digests: KeyedHash,
        observe: Observer = lambda *_: None,
        settlement: Settlement | None = None,
    ) -> None:
        self._events = events
        self._ports = dict(ports)
        self._digests = digests
        self._observe = observe
        self._settlement = settlement
        self._in_flight: set[bytes] = set()
        self._locks = StreamLocks()

    async def send(self, command: Command[R], context: CommandContext) -> CommandResult[R]:
        """Carry out `command` once.

        Raises:
            Refusal: a rule refused the command; nothing was written. Among them are InFlight, KeyReused, StaleVersion,
                Busy and ClaimTaken.
            NotSettled: it was carried out, but reads that it forbids may still succeed.
            Unavailable: a server does not answer; nothing was written.
            OutcomeUnknown: events may have been written; a repeat with the same Idempotency-Key finds out.
        """
        run = _Run(command, context)
        started = perf_counter()
        outcome = "error"
        try:
            result = await self._once(run)
            await self._settle(run)
            outcome = "replayed" if result.replayed else "done"
            return result
        except Refusal as refusal:
            outcome = refusal.code
            raise
        except NotSettled:
            outcome = "not_settled"
            raise
        finally:
            self._observe(type(command).__name__, outcome, run.attempts, perf_counter() - started)

    async def _settle(self, run: "_Run[R]") -> None:
        """Wait until reads show what the command, or an earlier one that did its work, takes away or erases."""
        if self._settlement is None:
            return
        try:
            if run.changed:
                await settle(self._settlement, run.revocations)
            else:
                await settle_earlier(self._settlement, self._events, run.loaded)
            if run.erased:
                await settle_erasures(self._settlement)
        except Unavailable:
            # The command was carried out: `Unavailable` would say that nothing was changed.
            raise NotSettled from None

    async def _once(self, run: "_Run[R]") -> CommandResult[R]:
        key = run.context.idempotency_key
        if key is None:
            return await self._retrying(run)
        run.scope = scope = self._scope(run.command, run.context, key)
        if scope.key in self._in_flight:
            raise InFlight("A request with this Idempotency-Key is still in progress; try again in a moment.")
        self._in_flight.add(scope.key)
        try:
            return await self._retrying(run)
        except KeyReused:
            raise
        except (Refusal, OutcomeUnknown) as failure:
            # The same request may have been committed before: then its stored answer replaces the refusal.
            stored = await self._response_after(failure, scope)
            if stored is None:
                raise
            return _replay(run, scope, stored)
        finally:
            self._in_flight.discard(scope.key)

    async def _response_after(
        self, failure: Refusal | OutcomeUnknown, scope: "_IdempotencyScope"
    ) -> StoredResponse | None:
        try:
            return await self._events.stored_response(scope.key)
        except Unavailable as unavailable:
            # An unknown outcome stays unknown.
            raise (failure if isinstance(failure, OutcomeUnknown) else unavailable) from None

    async def _retrying(self, run: "_Run[R]") -> CommandResult[R]:
        contended: Sequence[UUID] = ()
        pause = FIRST_PAUSE_SECONDS
        for run.attempts in range(1, ATTEMPTS + 1):
            async with self._locks.hold(contended) if contended else nullcontext():
                try:
                    return await self._try(run)
                except VersionConflict as conflict:
                    if contended:
                        # Locks do not reach other processes. Full jitter: two that collided do not retry in step.
                        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
                        pause *= 2
                    contended = conflict.stream_ids
        raise Busy("Other requests are changing the same thing; read it again, then retry.")

    async def _try(self, run: "_Run[R]") -> CommandResult[R]:
        registration = HANDLERS[type(run.command)]
        unit = UnitOfWork(self._events)
        run.loaded = unit.loaded
        answer = await registration.handler(run.command, **self._arguments(registration, unit, run.context))
        scope, record = run.scope, None
        run.erased = any(root.erased for root in (*unit.loaded, *unit.staged))
        # Nothing is kept about what is erased. A repeat finds nothing left to do.
        if scope is not None and unit.subject_id is not None and not run.erased:
            record = Idempotency(scope.key, scope.fingerprint, msgspec.msgpack.encode(answer), unit.subject_id)
        if not unit.staged and record is None:
            if scope is not None and (stored := await self._events.stored_response(scope.key)) is not None:
                return _replay(run, scope, stored)
            return CommandResult(answer, None)
        events = [cast(Root.Event, event) for root in unit.staged for event in root.pending_events]
        # An answer without events is stored too: later, the same request might find something to change.
        appended = await self._events.append(unit.staged, run.context, record)
        if isinstance(appended, StoredResponse):
            assert scope is not None
            return _replay(run, scope, appended)
        run.changed, run.revocations = bool(events), revoked_by(events, appended)
        return CommandResult(answer, appended)

    def _arguments(self, registration: Registration, unit: UnitOfWork, context: CommandContext) -> dict[str, object]:
        own: dict[str, object] = {"store": unit, "actor": context.actor}
        return {name: own[name] if name in own else self._ports[name] for name in registration.ports}

    def _scope(self, command: Command[Any], context: CommandContext, key: str) -> "_IdempotencyScope":
        actor = context.actor.user_id.bytes if context.actor else b""
        fingerprint = self._digests(b"command", actor, type(command).__name__.encode(), msgspec.msgpack.encode(command))
        # Anonymous requests: the fingerprint scopes the key, so that two different ones never share a key.
        return _IdempotencyScope(self._digests(b"idempotency", actor or fingerprint, key.encode()), fingerprint)


@dataclass(frozen=True, slots=True)
class _IdempotencyScope:
    """Digests of a keyed request: `key` of the key and the actor, `fingerprint` of the command."""

    key: bytes
    fingerprint: bytes


@dataclass(slots=True)
class _Run(Generic[R]):
    """The state of one command in the bus."""

    command: Command[R]
    context: CommandContext
    scope: _IdempotencyScope | None = None
    attempts: int = 0
    loaded: list[Root] = field(default_factory=list)
    changed: bool = False
    """Whether the command has appended events."""
    revocations: Revocations = field(default_factory=dict)
    erased: bool = False
    """Whether the command, or an earlier one that did its work, has erased one of the aggregates."""


def _replay(run: _Run[R], scope: _IdempotencyScope, stored: StoredResponse) -> CommandResult[R]:
    if stored.fingerprint != scope.fingerprint:
        raise KeyReused("This Idempotency-Key was used with a different request; use a new key.")
    answer = msgspec.msgpack.decode(stored.answer, type=HANDLERS[type(run.command)].answer)
    return CommandResult(answer, stored.position, replayed=True)
