"""A rebuild brings back nothing that was taken away, even of a stream that only its new table puts in quarantine."""

from collections.abc import Iterator
from uuid import UUID

import pytest

from application.ports import RecordedEvent
from domain.content import sharing
from domain.content.document import Document
from domain.content.erasure import erase_document
from infra.projector.rebuild.rebuild import rebuild
from infra.projector.rebuild.revocations import RevocationFailed
from projections.content.document import DocumentDetails
from projections.content.document_access import DocumentAccess
from projections.kernel import Change
from tests.support.given import NOW, address_of, person
from tests.support.projecting import MemoryFeed, news, projecting, quarantine_of
from tests.support.servers import Database
from tests.support.stores import rows

OWNER, READER = person(1), person(2)


def document() -> Document:
    """A document with a text, which is shared, and then saved."""
    found = Document.create(id=UUID(int=1), owner_id=OWNER.user_id, title="A", content="secret", now=NOW)
    sharing.share(found, address_id=address_of(READER), email="a@example.org", role="viewer", by=OWNER, now=NOW)
    found.change(title="B", content="secret", status="draft", by=OWNER, now=NOW)
    return found


class WithoutSaves(DocumentDetails):
    """Newer code that fails at each save."""

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, Document.Saved):
            raise LookupError
        return super().changes(event)


class WithoutErasures(DocumentDetails):
    """Newer code that fails at saves and at erasures."""

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, Document.Saved | Document.Erased):
            raise LookupError
        return super().changes(event)


class AccessWithoutSaves(DocumentAccess):
    """Newer code that fails at each save."""

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, Document.Saved):
            raise LookupError
        return super().changes(event)


async def test_h7_a_rebuild_shows_no_erased_text_of_a_stream_in_quarantine(database: Database) -> None:
    erased = document()
    erase_document(erased, now=NOW)
    feed = MemoryFeed(news(erased), page=1)
    async with projecting([DocumentDetails()], feed, database.app_url) as running:
        await running.reached()
    done = await rebuild(WithoutSaves(), feed, database.app_url)
    assert rows(database.admin_url, "SELECT title, content FROM read.document") == []
    assert (done.rows_after, done.differing, done.quarantined) == (0, 0, 1)


async def test_a_rebuild_shows_no_revoked_share_of_a_stream_in_quarantine(database: Database) -> None:
    shared = document()
    sharing.revoke_share(shared, address_id=address_of(READER), by=OWNER, now=NOW)
    feed = MemoryFeed(news(shared))
    async with projecting([DocumentAccess()], feed, database.app_url) as running:
        await running.reached()
    done = await rebuild(AccessWithoutSaves(), feed, database.app_url)
    assert rows(database.admin_url, "SELECT FROM read.document_access") == []
    assert (done.differing, [case.position for case in await quarantine_of(database.app_url)]) == (0, [3])


async def test_h7_a_new_table_that_cannot_take_an_erasure_does_not_replace_the_live_one(database: Database) -> None:
    erased = document()
    erase_document(erased, now=NOW)
    feed = MemoryFeed(news(erased))
    async with projecting([DocumentDetails()], feed, database.app_url) as running:
        await running.reached()
    with pytest.raises(RevocationFailed, match="document"):
        await rebuild(WithoutErasures(), feed, database.app_url)
    assert rows(database.admin_url, "SELECT FROM read.document") == []
    assert await quarantine_of(database.app_url) == []


async def test_what_the_live_table_has_left_out_too_stays_until_its_stream_is_retried(database: Database) -> None:
    """Then the erasure was not acknowledged: it waits for streams in quarantine."""
    erased = document()
    erase_document(erased, now=NOW)
    feed = MemoryFeed(news(erased))
    async with projecting([WithoutErasures()], feed, database.app_url) as running:
        await running.reached()
    done = await rebuild(WithoutErasures(), feed, database.app_url)
    assert (done.rows_after, done.differing, done.quarantined) == (1, 0, 1)
