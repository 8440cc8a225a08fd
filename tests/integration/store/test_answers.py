"""Answers to keyed requests in the database: they take little, and what a superuser changes there is found."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from uuid_utils.compat import uuid7

from application.bus import Bus
from application.content.document import ChangeDocument, CreateDocument, RestoreFromTrash
from application.ports import Actor, CommandContext, Copy, Idempotency, KeptAnswer, Reference
from infra.bootstrap.write_side import load_use_cases, utc_now
from infra.sealing.store_keys import Damage
from infra.store.answers import HEADER_BYTES
from tests.support.accounts import NewAccount, open_account
from tests.support.links import PlainLinks
from tests.support.note import NOW, Note
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

MEGABYTE = 1_000_000
BYTES_OF_TABLE = "SELECT pg_total_relation_size('idempotency')"


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


async def test_keyed_requests_about_a_large_text_take_little(opened: Opened, database: Database) -> None:
    """H3: 20 edits of three characters in a text of a megabyte stored 21 MB, and 30 requests without effect 125 MB."""
    load_use_cases()
    links = PlainLinks()
    bus = Bus(
        opened.store, {"clock": utc_now, "new_id": uuid7, "addresses": opened.blind, "links": links}, opened.blind
    )
    account = NewAccount(uuid4(), "a@example.org", "A", "hash")
    await open_account(lambda command: bus.send(command, CALL), opened.store, links, account)

    def call() -> CommandContext:
        return CommandContext(Actor(account.id), uuid4(), idempotency_key=str(uuid4()))

    text = "x" * MEGABYTE
    document = (await bus.send(CreateDocument(title="Long", content=text), call())).answer
    for n in range(20):
        text = text[: n * 100] + "abc" + text[n * 100 + 3 :]
        await bus.send(ChangeDocument(id=document.id, title="Long", content=text, status="draft"), call())
    for _ in range(30):
        await bus.send(RestoreFromTrash(id=document.id), call())
    [(size,)] = rows(database.admin_url, BYTES_OF_TABLE)
    assert rows(database.admin_url, "SELECT count(*) FROM idempotency") == [(51,)]
    assert size < 150_000


async def keep(opened: Opened, answer: KeptAnswer) -> bytes:
    """Store an answer; return its key."""
    note, key = Note.write(answer.id if isinstance(answer, Reference) else uuid4(), "text"), uuid4().bytes * 2
    await opened.store.append([note], CALL, Idempotency(key, b"f" * 32, note.id, note.id, 1, NOW, answer))
    return key


def answers() -> list[KeptAnswer]:
    """One answer of each kind."""
    return [None, Reference(Note, uuid4(), 1), Copy(b"42"), Copy(b"token", secret=True)]


OTHER = "(SELECT o.{0} FROM idempotency o WHERE o.key <> i.key LIMIT 1)"
CHANGES = {
    "a flipped format": "answer = set_byte(answer, 0, 2)",
    "a flipped kind": "answer = set_byte(answer, 1, get_byte(answer, 1) # 7)",
    "a flipped time": "answer = set_byte(answer, 9, get_byte(answer, 9) # 1)",
    "a flipped digest": "answer = set_byte(answer, 10, get_byte(answer, 10) # 1)",
    "a flipped tag of the store key": "answer = set_byte(answer, 26, get_byte(answer, 26) # 1)",
    "a flipped stamp": "answer = set_byte(answer, 45, get_byte(answer, 45) # 1)",
    "a longer body": "answer = answer || 'x'",
    "a cut header": f"answer = substring(answer FOR {HEADER_BYTES - 1})",
    "another answer": f"answer = {OTHER.format('answer')}",
    "another key": "key = sha256(key)",
    "another fingerprint": "fingerprint = sha256(fingerprint)",
    "another subject": f"subject_id = {OTHER.format('subject_id')}",
    "another stream": f"stream_id = {OTHER.format('stream_id')}",
    "another version": "version = version + 1",
    "an event": "answer = (SELECT state FROM stored_events e WHERE e.originator_id = i.stream_id)",
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
async def test_what_a_superuser_changes_in_a_record_is_found(opened: Opened, database: Database, change: str) -> None:
    """M1: with one record of each kind."""
    keys = [await keep(opened, answer) for answer in answers()]
    assert all([await opened.store.stored_response(key) for key in keys])
    changed = rows(database.admin_url, f"UPDATE idempotency i SET {change} RETURNING key")
    assert len(changed) == len(keys)
    for (key,) in changed:
        with pytest.raises(Damage):
            await opened.store.stored_response(key)


BODY_CHANGES = {
    "a flipped first byte": f"answer = set_byte(answer, {HEADER_BYTES}, get_byte(answer, {HEADER_BYTES}) # 1)",
    "a flipped last byte": (
        "answer = set_byte(answer, octet_length(answer) - 1, get_byte(answer, octet_length(answer) - 1) # 1)"
    ),
    "a cut": "answer = substring(answer FOR octet_length(answer) - 1)",
    "another body": (
        f"answer = substring(answer FOR {HEADER_BYTES}) || substring({OTHER.format('answer')} FROM {HEADER_BYTES + 1})"
    ),
}


@pytest.mark.parametrize("change", BODY_CHANGES.values(), ids=BODY_CHANGES.keys())
async def test_what_a_superuser_changes_in_a_body_is_found(opened: Opened, database: Database, change: str) -> None:
    """M1."""
    keys = [await keep(opened, answer) for answer in answers() if answer is not None]
    rows(database.admin_url, f"UPDATE idempotency i SET {change}")
    for key in keys:
        with pytest.raises(Damage):
            await opened.store.stored_response(key)


async def test_a_record_of_an_event_that_was_removed_is_damaged(opened: Opened, database: Database) -> None:
    key = await keep(opened, None)
    rows(database.admin_url, "DELETE FROM stored_events")
    with pytest.raises(Damage):
        await opened.store.stored_response(key)
