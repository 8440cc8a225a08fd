"""The bus: retries, one answer for one key, and refusals that leave nothing behind."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from application.bus import ATTEMPTS, FIRST_PAUSE_SECONDS, Bus
from application.cause import Cause, present_cause
from application.commands import Command, handles
from application.ports import (
    A,
    Actor,
    Busy,
    CommandContext,
    Idempotency,
    InFlight,
    KeyReused,
    NewId,
    OutcomeUnknown,
    Precondition,
    StaleVersion,
    Store,
    StoredResponse,
    Unavailable,
    UnwantedMatch,
    VersionConflict,
)
from application.views import view_maker
from domain.kernel import Conflict, Invalid, NotFound, Root
from infra.sealing.blind_index import BlindIndex
from tests.support.memory_store import MemoryEventStore
from tests.support.note import NOW, Note


class NoMoreLines(Conflict):
    """The note is full."""


@dataclass(frozen=True, slots=True)
class NoteView:
    id: UUID
    lines: list[str]

    @property
    def etag(self) -> str:
        return f"{len(self.lines)}"


note_view = view_maker(NoteView, Note, require_reader=lambda note, actor, now: None)


class WriteNote(Command[NoteView]):
    text: str


class ExtendNote(Command[None]):
    id: UUID
    line: str


@handles
async def write_note(cmd: WriteNote, store: Store, new_id: NewId) -> NoteView:
    note = Note.write(new_id(), cmd.text)
    store.save(note)
    return note_view(note)


@handles
async def extend_note(cmd: ExtendNote, store: Store) -> None:
    note = await store.get(Note, cmd.id)
    if len(note.lines) >= 3:
        raise NoMoreLines("Start another note.")
    note.extend(cmd.line)
    store.save(note)


class LabelNote(Command[NoteView]):
    id: UUID
    label: str


@handles
async def label_note(cmd: LabelNote, store: Store) -> NoteView:
    note = await store.get(Note, cmd.id)
    if note.label != cmd.label:
        note.relabel(cmd.label)
    store.save(note)
    return note_view(note)


class AskForCause(Command[None]):
    """A command whose handler notes its cause."""


@handles
async def ask_for_cause(cmd: AskForCause, causes: list[Cause | None]) -> None:
    causes.append(present_cause())


@dataclass(frozen=True, slots=True)
class HiddenNoteView:
    id: UUID
    lines: list[str]


def refuse_to_all(note: Note, actor: Actor | None, now: datetime) -> None:
    raise NotFound("There is no such note.")


hidden_note_view = view_maker(HiddenNoteView, Note, require_reader=refuse_to_all)


class WriteHidden(Command[HiddenNoteView]):
    text: str


@handles
async def write_hidden(cmd: WriteHidden, store: Store, new_id: NewId) -> HiddenNoteView:
    note = Note.write(new_id(), cmd.text)
    store.save(note)
    return hidden_note_view(note)


class Overtaken(MemoryEventStore):
    """Loses the race a number of times before it lets an append through."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times

    async def append(
        self,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int] | None = None,
    ) -> int | StoredResponse:
        if self.times:
            self.times -= 1
            raise VersionConflict([root.id for root in changes])
        return await super().append(changes, call, idempotency, judged_by)


def bus_on(store: MemoryEventStore) -> Bus:
    return Bus(store, {"new_id": uuid4, "clock": lambda: NOW}, BlindIndex(bytes(32)))


def call(key: str | None = None, actor_id: int = 1) -> CommandContext:
    return CommandContext(actor=Actor(UUID(int=actor_id)), correlation_id=uuid4(), idempotency_key=key)


async def test_a_command_becomes_an_event_and_an_answer() -> None:
    store = MemoryEventStore()
    sent = await bus_on(store).send(WriteNote(text="first"), call())
    assert (sent.answer.lines, sent.position, sent.replayed) == (["first"], 1, False)
    assert [type(event) for event in store.log] == [Note.Written]


async def test_a_command_with_a_version_conflict_is_decided_again() -> None:
    store = Overtaken(times=ATTEMPTS - 1)
    sent = await bus_on(store).send(WriteNote(text="first"), call())
    assert sent.position == 1


async def test_the_first_retry_is_at_once_and_the_pauses_before_later_ones_grow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    longest: list[float] = []

    def no_pause(_: float, most: float) -> float:
        longest.append(most)
        return 0.0

    monkeypatch.setattr("application.bus.random.uniform", no_pause)
    await bus_on(Overtaken(times=4)).send(WriteNote(text="first"), call())
    assert longest == [FIRST_PAUSE_SECONDS * factor for factor in (1, 2, 4)]


async def test_a_command_overtaken_too_often_gives_up() -> None:
    store = Overtaken(times=ATTEMPTS)
    with pytest.raises(Busy):
        await bus_on(store).send(WriteNote(text="first"), call())
    assert store.log == []


@pytest.mark.parametrize(
    ("precondition", "refusal"),
    [
        (Precondition(frozenset({"1", "7"})), None),
        (Precondition(frozenset({"2"})), StaleVersion),
        (Precondition(frozenset({"01"})), StaleVersion),
        (Precondition(frozenset()), StaleVersion),
        (Precondition(none_of=frozenset({"2"})), None),
        (Precondition(none_of=frozenset({"1"})), UnwantedMatch),
        (Precondition(absent=True), UnwantedMatch),
    ],
)
async def test_a_command_is_carried_out_on_the_state_that_the_caller_named(
    precondition: Precondition, refusal: type[Exception] | None
) -> None:
    """Case 3: tags are texts; no handler has to look at them."""
    bus = bus_on(MemoryEventStore())
    note = (await bus.send(WriteNote(text="first"), call())).answer
    with pytest.raises(refusal) if refusal else nullcontext():
        await bus.send(LabelNote(id=note.id, label="x"), replace(call(), precondition=precondition))


async def test_a_precondition_is_checked_again_when_a_command_is_retried() -> None:
    """Case 3: of two that name one state, one wins."""
    store = MemoryEventStore()
    bus = bus_on(store)
    note = (await bus.send(WriteNote(text="first"), call())).answer
    append = store.append

    async def be_overtaken(*_: Any) -> int | StoredResponse:
        store.append = append  # type: ignore[method-assign]
        await bus.send(ExtendNote(id=note.id, line="second"), call())
        raise VersionConflict([note.id])

    store.append = be_overtaken  # type: ignore[assignment]
    with pytest.raises(StaleVersion):
        await bus.send(LabelNote(id=note.id, label="x"), replace(call(), precondition=Precondition(frozenset({"1"}))))


async def test_a_key_belongs_to_its_precondition_too() -> None:
    """Case 3: the same key with another condition is another request."""
    bus = bus_on(MemoryEventStore())
    note = (await bus.send(WriteNote(text="first"), call())).answer
    first = replace(call("key"), precondition=Precondition(frozenset({"1"})))
    await bus.send(LabelNote(id=note.id, label="x"), first)
    assert (await bus.send(LabelNote(id=note.id, label="x"), first)).replayed
    with pytest.raises(KeyReused):
        await bus.send(LabelNote(id=note.id, label="x"), call("key"))


async def test_an_unknown_stream_is_not_found() -> None:
    with pytest.raises(NotFound):
        await bus_on(MemoryEventStore()).send(ExtendNote(id=uuid4(), line="x"), call())


async def test_a_repeated_key_has_one_effect_and_one_answer() -> None:
    store = MemoryEventStore()
    bus = bus_on(store)
    first = await bus.send(WriteNote(text="first"), call("key"))
    again = await bus.send(WriteNote(text="first"), call("key"))
    assert again.replayed
    assert (again.answer, again.position) == (first.answer, first.position)
    assert len(store.log) == 1


async def test_a_repeated_key_is_answered_even_where_the_command_would_now_be_refused() -> None:
    store = MemoryEventStore()
    bus = bus_on(store)
    note = (await bus.send(WriteNote(text="first"), call())).answer
    await bus.send(ExtendNote(id=note.id, line="second"), call())
    await bus.send(ExtendNote(id=note.id, line="third"), call("key"))
    assert (await bus.send(ExtendNote(id=note.id, line="third"), call("key"))).replayed
    with pytest.raises(NoMoreLines):
        await bus.send(ExtendNote(id=note.id, line="fourth"), call("another"))


async def test_a_repeated_key_does_nothing_even_where_there_was_nothing_to_do_the_first_time() -> None:
    store = MemoryEventStore()
    bus = bus_on(store)
    note = (await bus.send(WriteNote(text="first"), call())).answer
    await bus.send(LabelNote(id=note.id, label="mine"), call())
    first = await bus.send(LabelNote(id=note.id, label="mine"), call("key"))
    await bus.send(LabelNote(id=note.id, label="yours"), call())
    again = await bus.send(LabelNote(id=note.id, label="mine"), call("key"))
    assert (again.answer, again.position, again.replayed) == (first.answer, 2, True)
    assert len(store.log) == 3


async def test_a_repeat_that_may_not_be_answered_is_refused_at_once() -> None:
    class Counting(MemoryEventStore):
        reads = 0

        async def stored_response(self, key: bytes) -> StoredResponse | None:
            self.reads += 1
            return await super().stored_response(key)

        async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
            self.reads += 1
            return await super().load(kind, id, version=version)

    store = Counting()
    bus = bus_on(store)
    await bus.send(WriteHidden(text="first"), call("key"))
    with pytest.raises(NotFound):
        await bus.send(WriteHidden(text="first"), call("key"))
    assert store.reads == 1


async def test_a_key_with_a_different_request_is_refused() -> None:
    bus = bus_on(MemoryEventStore())
    await bus.send(WriteNote(text="first"), call("key"))
    with pytest.raises(KeyReused):
        await bus.send(WriteNote(text="second"), call("key"))


async def test_a_key_belongs_to_its_actor() -> None:
    store = MemoryEventStore()
    bus = bus_on(store)
    await bus.send(WriteNote(text="first"), call("key", actor_id=1))
    sent = await bus.send(WriteNote(text="second"), call("key", actor_id=2))
    assert not sent.replayed
    assert sent.answer.lines == ["second"]


async def test_two_strangers_with_one_key_are_strangers() -> None:
    """Survived a mutation: without an actor, the key is scoped by the whole request."""
    store = MemoryEventStore()
    bus = bus_on(store)
    stranger = CommandContext(actor=None, correlation_id=UUID(int=0), idempotency_key="key")
    answers = [await bus.send(WriteNote(text=text), stranger) for text in ("first", "second", "first")]
    assert [(each.answer.lines, each.replayed) for each in answers] == [
        (["first"], False),
        (["second"], False),
        (["first"], True),
    ]
    assert len(store.log) == 2


async def test_a_key_in_flight_is_refused_meanwhile() -> None:
    class Slow(MemoryEventStore):
        async def append(
            self,
            changes: Sequence[Root],
            call: CommandContext,
            idempotency: Idempotency | None,
            judged_by: Mapping[UUID, int] | None = None,
        ) -> int | StoredResponse:
            await asyncio.sleep(0.05)
            return await super().append(changes, call, idempotency, judged_by)

    bus = bus_on(Slow())
    first = asyncio.create_task(bus.send(WriteNote(text="first"), call("key")))
    await asyncio.sleep(0)
    with pytest.raises(InFlight):
        await bus.send(WriteNote(text="first"), call("key"))
    assert (await bus.send(WriteNote(text="first"), call("other"))).answer
    await first


async def test_after_a_cut_connection_the_key_tells_what_became_of_the_command() -> None:
    class Cut(MemoryEventStore):
        async def append(
            self,
            changes: Sequence[Root],
            call: CommandContext,
            idempotency: Idempotency | None,
            judged_by: Mapping[UUID, int] | None = None,
        ) -> int | StoredResponse:
            await super().append(changes, call, idempotency, judged_by)
            raise OutcomeUnknown("The database")

    store = Cut()
    bus = bus_on(store)
    sent = await bus.send(WriteNote(text="first"), call("key"))
    assert sent.replayed
    with pytest.raises(OutcomeUnknown):
        await bus.send(WriteNote(text="second"), call())


async def test_what_is_unknown_stays_unknown_when_the_store_cannot_be_asked() -> None:
    class Gone(MemoryEventStore):
        gone = False

        async def append(
            self,
            changes: Sequence[Root],
            call: CommandContext,
            idempotency: Idempotency | None,
            judged_by: Mapping[UUID, int] | None = None,
        ) -> int | StoredResponse:
            self.gone = True
            raise OutcomeUnknown("The database")

        async def stored_response(self, key: bytes) -> StoredResponse | None:
            if self.gone:
                raise Unavailable("The database")
            return None

    with pytest.raises(OutcomeUnknown):
        await bus_on(Gone()).send(WriteNote(text="first"), call("key"))


async def test_the_observer_hears_how_each_command_ended() -> None:
    heard: list[tuple[str, str, int]] = []
    bus = Bus(
        Overtaken(times=1),
        {"new_id": uuid4, "clock": lambda: NOW},
        BlindIndex(bytes(32)),
        lambda command, outcome, attempts, seconds: heard.append((command, outcome, attempts)),
    )
    await bus.send(WriteNote(text="first"), call("key"))
    await bus.send(WriteNote(text="first"), call("key"))
    with pytest.raises(NotFound):
        await bus.send(ExtendNote(id=uuid4(), line="x"), call())
    assert heard == [("WriteNote", "done", 2), ("WriteNote", "replayed", 1), ("ExtendNote", "not_found", 1)]


def test_a_command_does_not_show_what_it_carries() -> None:
    assert repr(WriteNote(text="secret")) == "WriteNote(...)"


def test_a_command_has_one_handler() -> None:
    with pytest.raises(TypeError, match="WriteNote has two handlers"):
        handles(write_note)


def test_a_refusal_has_a_stable_code() -> None:
    assert (NoMoreLines.code, Invalid.code) == ("no_more_lines", "invalid")


async def test_what_a_command_causes_belongs_to_its_request() -> None:
    causes: list[Cause | None] = []
    bus = Bus(MemoryEventStore(), {"clock": lambda: NOW, "new_id": uuid4, "causes": causes}, BlindIndex(bytes(32)))
    await bus.send(AskForCause(), CommandContext(None, UUID(int=7)))
    await bus.send(AskForCause(), CommandContext(None, UUID(int=7), causation_id=UUID(int=8)))
    assert causes == [Cause(UUID(int=7)), Cause(UUID(int=7), UUID(int=8))]
    assert present_cause() is None
