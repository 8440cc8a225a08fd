"""Many parallel commands on one stream: all succeed, and other streams do not wait for them."""

import asyncio
from uuid import uuid4

from application.bus import Bus
from application.commands import Command, handles
from application.ports import Actor, CommandContext, NewId, Store
from infra.bootstrap.write_side import utc_now
from tests.support.note import Note
from tests.support.servers import Database
from tests.support.stores import open_store, rows


class BeginNote(Command[None]):
    """Write a note."""

    text: str


class AddLine(Command[int]):
    """Add a line to a note."""

    note: int


NOTE = uuid4()


@handles
async def begin_note(cmd: BeginNote, store: Store, new_id: NewId) -> None:
    store.save(Note.write(NOTE, cmd.text))


@handles
async def add_line(cmd: AddLine, store: Store) -> int:
    note = await store.get(Note, NOTE)
    note.extend(f"line {cmd.note}")
    store.save(note)
    return note.version


async def test_parallel_changes_of_one_stream_all_get_through(database: Database) -> None:
    async with open_store(database.app_url) as opened:
        bus = Bus(opened.store, {"new_id": uuid4, "clock": utc_now}, opened.blind)

        def call() -> CommandContext:
            return CommandContext(Actor(uuid4()), uuid4(), idempotency_key=str(uuid4()))

        await bus.send(BeginNote(text="first"), call())
        answers = await asyncio.gather(*(bus.send(AddLine(note=n), call()) for n in range(200)))
    assert sorted(sent.answer for sent in answers) == list(range(2, 202))
    [(count,)] = rows(database.admin_url, "SELECT count(*) FROM stored_events")
    assert count == 201
