"""Views of documents: collected, written together, never in the way of a read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from application.content.recent_document import ClearRecentDocuments
from application.ports import Actor, Unavailable
from infra.postgres.database import Database
from infra.recent_documents import postgres_recent_documents as module
from infra.recent_documents.postgres_recent_documents import CLEAR, WRITE, PostgresRecentDocuments
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

ADA, BOB = UUID(int=1), UUID(int=2)
NOTES, PLANS = UUID(int=11), UUID(int=12)


class ViewTable:
    """A database that keeps what it is given, unless it is down."""

    def __init__(self) -> None:
        self.is_down = False
        self.views: list[tuple[UUID, UUID, datetime]] = []
        self.statements: list[str] = []

    async def rows(self, query: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        if self.is_down:
            raise Unavailable("The database")
        self.statements.append(query)
        if query == WRITE:
            self.views += zip(*parameters, strict=True)
        return []


class ViewScene:
    """Views, the database, and a clock that tests move."""

    def __init__(self) -> None:
        self.now = NOW
        self.written = ViewTable()
        self.recent = PostgresRecentDocuments(cast(Database, self.written), lambda: self.now)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> ViewScene:
    monkeypatch.setattr(module, "LINGER_SECONDS", 3600.0)
    return ViewScene()


async def test_views_are_written_together_each_with_its_time(scene: ViewScene) -> None:
    scene.recent.note(ADA, PLANS)
    scene.now += timedelta(seconds=2)
    scene.recent.note(ADA, NOTES)
    scene.recent.note(BOB, NOTES)
    assert scene.written.views == []
    await scene.recent.stop()
    assert scene.written.views == [(ADA, NOTES, scene.now), (ADA, PLANS, NOW), (BOB, NOTES, scene.now)]
    assert len(scene.written.statements) == 2


async def test_a_view_is_repeated_after_a_minute(scene: ViewScene) -> None:
    for seconds in (0, 59, 1, 59):
        scene.now += timedelta(seconds=seconds)
        scene.recent.note(ADA, NOTES)
        await scene.recent.settle()
    assert [moment for *_, moment in scene.written.views] == [NOW, NOW + timedelta(seconds=60)]
    await scene.recent.stop()


async def test_views_are_written_soon(scene: ViewScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINGER_SECONDS", 0.0)
    scene.recent.note(ADA, NOTES)
    assert scene.recent._writer is not None
    await scene.recent._writer
    assert scene.written.views == [(ADA, NOTES, NOW)]
    scene.now += timedelta(minutes=1)
    scene.recent.note(BOB, NOTES)
    await scene.recent._writer
    assert len(scene.written.views) == 2
    assert scene.recent._noted.keys() == {(BOB, NOTES)}


async def test_views_are_lost_while_the_database_is_down(scene: ViewScene) -> None:
    scene.written.is_down = True
    scene.recent.note(ADA, NOTES)
    with capture_logs() as logs:
        await scene.recent.settle()
    assert [(line["event"], line["views"]) for line in logs] == [("views of documents are lost", 1)]
    scene.written.is_down = False
    await scene.recent.stop()
    assert scene.written.views == []


async def test_memory_keeps_so_many_views_and_no_more(scene: ViewScene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NOTED", 2)
    for document_id in (NOTES, PLANS, UUID(int=13)):
        scene.recent.note(ADA, document_id)
    assert [document_id for _, document_id in scene.recent._noted] == [PLANS, UUID(int=13)]
    await scene.recent.stop()


async def test_what_is_forgotten_is_not_written_later(scene: ViewScene) -> None:
    scene.recent.note(ADA, NOTES)
    scene.recent.note(BOB, NOTES)
    await scene.recent.clear(ADA)
    assert scene.written.statements == [CLEAR]
    await scene.recent.stop()
    assert scene.written.views == [(BOB, NOTES, NOW)]


async def test_a_view_after_the_list_was_cleared_is_noted_at_once(scene: ViewScene) -> None:
    scene.recent.note(ADA, NOTES)
    await scene.recent.clear(ADA)
    scene.recent.note(ADA, NOTES)
    await scene.recent.stop()
    assert scene.written.views == [(ADA, NOTES, NOW)]


async def test_users_forget_their_own_views_only() -> None:
    runner = CommandRunner()
    for user_id in (ADA, BOB):
        runner.recent.note(user_id, NOTES)
    await runner.send(ClearRecentDocuments(), Actor(ADA))
    assert runner.recent.views == [(BOB, NOTES)]
