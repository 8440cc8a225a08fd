"""Revisions of documents while two processes write: each save is one, and is read at once by the other process."""

import asyncio
from uuid import UUID

from application.bus import Bus
from application.content.document import (
    ChangeDocument,
    RevokeShare,
    ShareDocument,
    document_at_version,
    document_view,
)
from application.ports import Actor, CommandContext, Precondition, StaleVersion
from domain.content.document import Document
from infra.bootstrap.write_side import utc_now
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store, rows

OWNER = Actor(UUID(int=7), UUID(int=1007))
EMAIL = "bob@example.org"


def bus(opened: Opened) -> Bus:
    return Bus(opened.store, {"clock": utc_now, "addresses": opened.blind}, opened.blind)


async def written(opened: Opened) -> Document:
    document = Document.create(id=UUID(int=9), owner_id=OWNER.user_id, title="Notes", content="Otters.", now=utc_now())
    await opened.store.append([document], CALL, None)
    return document


def put(document: Document, content: str) -> ChangeDocument:
    return ChangeDocument(id=document.id, title=content, content=content, status="published")


async def test_of_two_processes_that_save_the_same_revision_one_wins(database: Database) -> None:
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        document = await written(one)
        for revision in range(1, 11):
            call = CommandContext(OWNER, UUID(int=8), precondition=Precondition(frozenset({str(revision)})))
            saves = [bus(each).send(put(document, f"{n} on {revision}"), call) for n, each in enumerate((one, other))]
            outcomes = await asyncio.gather(*saves, return_exceptions=True)
            assert {type(each) for each in outcomes if isinstance(each, Exception)} == {StaleVersion}
            assert [each.answer.version for each in outcomes if not isinstance(each, BaseException)] == [revision + 1]
    topics = rows(database.admin_url, "SELECT topic, count(*) FROM stored_events GROUP BY topic ORDER BY topic")
    assert topics == [("document.created", 1), ("document.saved", 10)]


async def test_what_one_process_saved_the_other_reads_at_once_as_that_revision(database: Database) -> None:
    async with open_store(database.app_url) as one, open_store(database.app_url) as other:
        saves = [document_view(await written(one))]
        document = await one.store.load(Document, saves[0].id)
        assert document is not None
        call = CommandContext(OWNER, UUID(int=8))
        for n in range(130):
            writer, reader = (one, other) if n % 2 else (other, one)
            if n % 3 == 0:
                await bus(writer).send(ShareDocument(id=document.id, email=EMAIL, role="viewer"), call)
                await bus(writer).send(RevokeShare(id=document.id, email=EMAIL), call)
            saves.append((await bus(writer).send(put(document, f"Otters, {n}."), call)).answer)
            assert (await document_at_version(reader.store, OWNER, document.id, len(saves), utc_now())).view == saves[
                -1
            ]
        for version in (1, 2, 3, 64, 100, 130, 131):
            assert (await document_at_version(other.store, OWNER, document.id, version, utc_now())).view == saves[
                version - 1
            ]
