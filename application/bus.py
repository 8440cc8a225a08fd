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
from typing import Generic, Protocol, TypeVar, cast
from uuid import UUID

from application import proofs
from application.cause import Cause, working_for
from application.charges import Charges
from application.commands import HANDLERS, Command, CommandResult
from application.idempotency import KeyedHash, KeyScope, answer_again, operation_id_of, record_of, scope_of
from application.known_roots import KnownRoots
from application.ports import (
    Busy,
    Clock,
    CommandContext,
    EventStore,
    InFlight,
    KeyReused,
    NewId,
    NotSettled,
    OutcomeUnknown,
    SecurityEntry,
    SecurityLog,
    SessionEnding,
    StoredResponse,
    Unavailable,
    VersionConflict,
)
from application.preconditions import precondition_check
from application.revocation import (
    Revocations,
    Settlement,
    endings_of,
    revoked_by,
    settle,
    settle_earlier,
    settle_earlier_sessions,
    settle_erasures,
    settle_sessions,
)
from application.stream_locks import StreamLocks
from application.unit_of_work import StoppedClock, UnitOfWork
from domain.kernel import Refusal, Root

R = TypeVar("R")

ATTEMPTS = 8
FIRST_PAUSE_SECONDS = 0.005


class Observer(Protocol):
    """Receives the outcome of each command: `done`, `replayed`, `not_settled`, a refusal's code, or `error`.

    `seconds` includes retries and waits.
    """

    def __call__(self, command: str, outcome: str, attempts: int, seconds: float) -> None: ...


class Bus:
    """Sends commands to their handlers. Among the ports are `clock` and `new_id`.

    Handlers also get the ports `store`, `actor`, `client`, `session_id`, `request_id` (see `CommandContext`),
    `proof` (see `Proof`), `charges` (see `Charges`), and `operation_id`: a new id, which is the same for a repeat with
    the same Idempotency-Key.

    `settlement` waits for revocations; None: the bus does not wait.
    """

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
        self._clock = cast(Clock, ports["clock"])
        self._digests = digests
        self._observe = observe
        self._settlement = settlement
        self._security_log = cast(SecurityLog | None, ports.get("security_log"))
        self._in_flight: set[bytes] = set()
        self._locks = StreamLocks()

    async def send(
        self, command: Command[R], context: CommandContext, known: KnownRoots | None = None
    ) -> CommandResult[R]:
        """Carry out `command` once. `known`: aggregates that the sender has loaded, and of which others may be newer.

        Raises:
            Refusal: a rule refused the command; nothing was written. Among them are InFlight, KeyReused, AnswerExpired,
                PreconditionFailed, Busy and ClaimTaken.
            NotSettled: it was carried out, but reads that it forbids may still succeed.
            Unavailable: a server does not answer; nothing was written.
            OutcomeUnknown: events may have been written; a repeat with the same Idempotency-Key finds out.
        """
        run = _Run(command, context, known or KnownRoots())
        started = perf_counter()
        outcome = "error"
        try:
            with working_for(Cause(context.correlation_id, context.causation_id)):
                result = await self._once(run)
            await self._settle(run)
            outcome = "replayed" if result.replayed else "done"
            return result
        except Refusal as refusal:
            outcome = refusal.code
            if run.proved_id is None:
                self._note(proofs.refused(command, context, refusal))
            raise
        except NotSettled:
            outcome = "not_settled"
            raise
        finally:
            # Even if it was refused after the proof: a thief who guesses a password must not be able to hide that.
            self._note(proofs.accepted(command, context, run.proved_id))
            self._observe(type(command).__name__, outcome, run.attempts, perf_counter() - started)

    def _note(self, entry: SecurityEntry | None) -> None:
        if entry is not None and self._security_log is not None:
            self._security_log.note(entry)

    async def _settle(self, run: "_Run[R]") -> None:
        """End sessions, and wait until reads show what the command, or an earlier one like it, takes away or erases."""
        if self._settlement is None:
            return
        try:
            if run.changed:
                await settle_sessions(self._settlement, run.endings)
                await settle(self._settlement, run.revocations)
            else:
                await settle_earlier_sessions(self._settlement, self._events, run.concerned)
                await settle_earlier(self._settlement, self._events, run.concerned)
            if run.erased:
                await settle_erasures(self._settlement)
        except Unavailable:
            # The command was carried out: `Unavailable` would say that nothing was changed.
            raise NotSettled from None

    async def _once(self, run: "_Run[R]") -> CommandResult[R]:
        key = run.context.idempotency_key
        if key is None:
            return await self._retrying(run)
        run.scope = scope = scope_of(run.command, run.context, key, self._digests)
        if scope.key in self._in_flight:
            raise InFlight("A request with this Idempotency-Key is still in progress; try again in a moment.")
        self._in_flight.add(scope.key)
        try:
            return await self._retrying(run)
        except (Refusal, OutcomeUnknown) as failure:
            if run.found:
                raise
            # The same request may have been committed before: then its answer replaces the refusal.
            earlier = await self._earlier_result(failure, run, scope)
            if earlier is None:
                raise
            return earlier
        finally:
            self._in_flight.discard(scope.key)

    async def _earlier_result(
        self, failure: Refusal | OutcomeUnknown, run: "_Run[R]", scope: KeyScope
    ) -> CommandResult[R] | None:
        try:
            stored = await self._events.stored_response(scope.key)
            return None if stored is None else await self._replay(run, scope, stored)
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
        charges, is_unknown = Charges(), False
        try:
            return await self._handle(run, charges)
        except OutcomeUnknown:
            is_unknown = True
            raise
        finally:
            if charges and not run.changed and not is_unknown:
                await charges.give_back()

    async def _handle(self, run: "_Run[R]", charges: Charges) -> CommandResult[R]:
        clock = StoppedClock(self._clock)
        check = precondition_check(run.command, HANDLERS[type(run.command)].answer, run.context, clock)
        unit = UnitOfWork(self._events, clock, check, run.context.person, run.known)
        run.concerned = unit.loaded
        answer = await self._call_handler(run, unit, clock, charges)
        run.concerned = unit.saved
        events, scope = unit.events, run.scope
        run.erased = any(root.erased for root in unit.loaded) or any(event.erases for event in events)
        # Nothing is kept about what is erased. A repeat finds nothing left to do.
        is_kept = scope is not None and not run.erased
        record = record_of(scope, run.command, answer, unit, events, clock()) if scope and is_kept else None
        if not unit.staged and record is None:
            if scope is not None and (stored := await self._events.stored_response(scope.key)) is not None:
                return await self._replay(run, scope, stored)
            return CommandResult(answer, None)
        # An answer without events is stored too: later, the same request might find something to change.
        appended = await self._events.append(unit.staged, run.context, record, unit.judged_by)
        if isinstance(appended, StoredResponse):
            assert scope is not None
            return await self._replay(run, scope, appended)
        run.known.keep(*unit.checked)
        run.changed, run.revocations, run.endings = bool(events), revoked_by(events, appended), endings_of(events)
        return CommandResult(answer, appended)

    async def _call_handler(self, run: "_Run[R]", unit: UnitOfWork, clock: Clock, charges: Charges) -> R:
        """Call the handler with the ports that it names, and return its answer.

        Raises:
            VersionConflict: it has worked with something that was assumed, and has to look at it again.
        """
        registration, context = HANDLERS[type(run.command)], run.context
        own = {**self._ports, "store": unit, "actor": unit.actor, "clock": clock}
        own |= {"client": context.client, "session_id": context.session_id, "request_id": context.correlation_id}
        own |= {"proof": run.proof, "charges": charges}
        if "operation_id" in registration.ports:
            own["operation_id"] = self._operation_id(run)
        try:
            answer: R = await registration.handler(run.command, **registration.arguments(own))
        except Refusal:
            if unit.assumed:
                raise VersionConflict([*unit.assumed]) from None
            raise
        if not unit.is_sure:
            raise VersionConflict([*unit.assumed])
        return answer

    def _operation_id(self, run: "_Run[R]") -> UUID:
        """Return the id of what the command requests: for a repeat with the same key, the same one."""
        return cast(NewId, self._ports["new_id"])() if run.scope is None else operation_id_of(run.scope, self._digests)

    async def _replay(self, run: "_Run[R]", scope: KeyScope, stored: StoredResponse) -> CommandResult[R]:
        run.found = True
        if stored.fingerprint != scope.fingerprint:
            raise KeyReused("This Idempotency-Key was used with a different request; use a new key.")
        answer = await answer_again(run.command, run.context.person, stored, self._events, self._clock())
        return CommandResult(answer, stored.position, replayed=True)


@dataclass(slots=True)
class _Run(Generic[R]):
    """The state of one command in the bus."""

    command: Command[R]
    context: CommandContext
    known: KnownRoots
    scope: KeyScope | None = None
    attempts: int = 0
    found: bool = False
    """Whether the key was used before."""
    concerned: list[Root] = field(default_factory=list)
    """What the command is about: the aggregates that it saves, or all that it has loaded, where it is refused."""
    changed: bool = False
    """Whether the command has appended events."""
    revocations: Revocations = field(default_factory=dict)
    endings: Sequence[SessionEnding] = ()
    erased: bool = False
    """Whether the command, or an earlier one that did its work, has erased one of the aggregates."""
    proof: proofs.Proof = field(default_factory=proofs.Proof)

    @property
    def proved_id(self) -> UUID | None:
        """What the sender has shown to be theirs. A repeat of a keyed request proves nothing."""
        if self.changed:
            return self.concerned[0].id
        return None if self.found else self.proof.user_id
