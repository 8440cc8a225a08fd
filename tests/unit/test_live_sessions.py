"""Live sessions in memory: what was read before an end is not kept after it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import pytest

from infra.postgres.database import Database
from infra.sessions import live_sessions
from infra.sessions.live_sessions import CachedLiveSessions

USER, SESSION, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


class Rows:
    """A database with sessions that has read what it answers, and answers when it is let."""

    def __init__(self) -> None:
        self.live = {SESSION, OTHER}
        self.queries = 0
        self.answer = asyncio.Event()
        self.answer.set()

    async def rows(self, _: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """The sessions that had not ended when the query began."""
        self.queries += 1
        found = [(id, USER, None, "bearer", 4e9) for id in parameters[0] if id in self.live]
        await self.answer.wait()
        return found


@pytest.fixture
def database() -> Rows:
    return Rows()


@pytest.fixture
def sessions(database: Rows) -> CachedLiveSessions:
    return CachedLiveSessions(cast(Database, database), lambda: True, lambda: datetime.now(UTC))


async def test_a_session_is_read_once(database: Rows, sessions: CachedLiveSessions) -> None:
    for _ in range(3):
        assert await sessions.find(SESSION) is not None
    assert sessions.known(SESSION) is not None
    assert database.queries == 1


@pytest.mark.parametrize("dropped", [SESSION, OTHER, None], ids=["this one", "another one", "all"])
async def test_what_was_read_before_an_end_is_not_kept_after_it(
    database: Rows, sessions: CachedLiveSessions, dropped: UUID | None
) -> None:
    database.answer.clear()
    request = asyncio.create_task(sessions.find(SESSION))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert database.queries == 1
    database.live.discard(SESSION)
    sessions.drop(dropped)
    database.answer.set()
    await request
    assert sessions.known(SESSION) is None
    assert await sessions.find(SESSION) is None


async def test_an_ended_session_is_asked_for_once(database: Rows, sessions: CachedLiveSessions) -> None:
    database.live.clear()
    for _ in range(3):
        assert await sessions.find(SESSION) is None
    assert database.queries == 1


async def test_only_so_many_ends_are_remembered(
    database: Rows, sessions: CachedLiveSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sessions, "MAX_KNOWN_ENDS", 1)
    database.live.clear()
    for id in (SESSION, OTHER, SESSION):
        assert await sessions.find(id) is None
    assert database.queries == 3


async def test_only_so_many_sessions_are_kept(
    database: Rows, sessions: CachedLiveSessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_sessions, "MAX_CACHED_SESSIONS", 1)
    for id in (SESSION, OTHER):
        await sessions.find(id)
    assert (sessions.known(SESSION), sessions.known(OTHER) is None) == (None, False)


async def test_all_who_watch_a_session_notice_its_end(sessions: CachedLiveSessions) -> None:
    with sessions.watched(SESSION) as one, sessions.watched(SESSION) as two, sessions.watched(OTHER) as other:
        sessions.drop(SESSION)
        await asyncio.gather(one.dropped(), two.dropped())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(other.dropped(), 0.01)
