"""Commands that begin with what their sender has loaded: nothing is decided by what is no longer so."""

from uuid import UUID, uuid4

import pytest

from application.bus import Bus
from application.known_roots import KnownRoots
from application.ports import A
from domain.content.document import Document
from domain.kernel import Refusal
from infra.sealing.blind_index import BlindIndex
from tests.support.memory_store import MemoryEventStore
from tests.support.note import NOW, Note
from tests.unit.test_bus import ExtendNote, LabelNote, NoMoreLines, WriteNote, call


class Counting(MemoryEventStore):
    """Counts the loads."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    async def load(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
        self.loads += 1
        return await super().load(kind, id, version=version)


class Desk:
    """A bus, and a note that its holder has loaded."""

    def __init__(self) -> None:
        self.store = Counting()
        self.bus = Bus(self.store, {"new_id": uuid4, "clock": lambda: NOW}, BlindIndex(bytes(32)))
        self.id = UUID(int=0)

    async def open(self) -> KnownRoots:
        written = await self.bus.send(WriteNote(text="one"), call())
        self.id = written.answer.id
        note = await self.note()
        self.store.loads = 0
        return KnownRoots(note)

    async def note(self) -> Note:
        note = await self.store.load(Note, self.id)
        assert note is not None
        return note

    async def extend(self, line: str, known: KnownRoots | None = None) -> None:
        await self.bus.send(ExtendNote(id=self.id, line=line), call(), known)


async def test_a_known_aggregate_is_not_loaded_and_known_afterwards() -> None:
    desk = Desk()
    known = await desk.open()
    await desk.extend("two", known)
    await desk.extend("three", known)
    assert desk.store.loads == 0
    assert (await desk.note()).lines == ["one", "two", "three"]


async def test_one_that_has_changed_since_is_loaded() -> None:
    desk = Desk()
    known = await desk.open()
    await desk.extend("of another")
    await desk.extend("two", known)
    assert (await desk.note()).lines == ["one", "of another", "two"]
    assert known.take(Note, desk.id) is not None, "it is known as it is now"


async def test_a_refusal_is_by_what_the_log_has() -> None:
    desk = Desk()
    known = await desk.open()
    for line in ("two", "three"):
        await desk.extend(line)
    desk.store.loads = 0
    with pytest.raises(NoMoreLines):
        await desk.extend("four", known)
    assert desk.store.loads == 1


async def test_what_changes_nothing_is_decided_by_what_the_log_has() -> None:
    desk = Desk()
    known = await desk.open()
    await desk.bus.send(LabelNote(id=desk.id, label="new"), call())
    sent = await desk.bus.send(LabelNote(id=desk.id, label=""), call("key"), known)
    assert sent.position is not None
    assert (await desk.note()).label == ""


async def test_a_failed_command_leaves_nothing_known() -> None:
    desk = Desk()
    known = await desk.open()
    for line in ("two", "three"):
        await desk.extend(line, known)
    with pytest.raises(Refusal):
        await desk.extend("four", known)
    assert known.take(Note, desk.id) is None


async def test_only_what_was_known_at_first_is_kept_and_given_out_by_its_kind() -> None:
    desk = Desk()
    known = await desk.open()
    other = Note.write(uuid4(), "other")
    known.keep(other)
    assert known.take(Note, other.id) is None
    assert known.take(Document, desk.id) is None
    assert known.take(Note, desk.id) is not None


async def test_what_was_erased_is_not_kept() -> None:
    desk = Desk()
    known = await desk.open()
    note = await desk.note()
    known.take(Note, desk.id)
    note.erased = True
    known.keep(note)
    assert known.take(Note, desk.id) is None
