"""Versions that a plan hides, in SQL: each read agrees with the rule of the domain, at every time."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from domain.billing.subscription import HISTORY, Plan, Subscription
from domain.content.document import Document
from domain.content.retention import ShownHistory, VersionHidden
from domain.content.version_names import name_version
from domain.kernel import Party
from infra.postgres.read_store import PooledReadStore
from projections.content.document_version import blame, document_at, versions
from projections.kernel import read_models
from tests.support.given import NOW, person
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database
from tests.support.stores import CALL, Opened, open_store

ADA = person(1)
DAYS = [0, 1, 1, 40, 41, 80, 100, 400]
"""When each version was saved; the third one is named."""
TIMES = [NOW + timedelta(days=days) for days in DAYS]


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


def written() -> Document:
    one = Document.create(id=UUID(int=10), owner_id=ADA.user_id, title="A", content="0", now=TIMES[0])
    for number, time in enumerate(TIMES[1:], 1):
        one.change(content=f"{number}", by=ADA, now=time)
        if number == 2:
            name_version(one, 3, "Sent", by=ADA, now=time)
    return one


def subscribed(plan: Plan) -> Subscription:
    found = Subscription.start(payer=Party("user", ADA.user_id), now=NOW)
    found.change_plan(plan, now=NOW)
    return found


def hidden(plan: Plan, now: datetime) -> list[int]:
    """The versions that the rule hides."""
    shown, replaced = ShownHistory(HISTORY.get(plan), now), [*TIMES[1:], None]
    return [
        version for version, at in enumerate(replaced, 1) if shown.hides(version, named=version == 3, replaced_at=at)
    ]


@pytest.mark.parametrize("plan", ["free", "pro", "enterprise", None])
async def test_every_read_hides_what_the_rule_hides(database: Database, opened: Opened, plan: Plan | None) -> None:
    one = written()
    plans = [] if plan is None else [subscribed(plan)]
    feed = MemoryFeed(news(one, *plans))
    await opened.store.append([one], CALL, None)
    rows = PooledReadStore(opened.database)
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()
        for days in (0, 29, 30, 31, 69, 72, 99, 109, 111, 129, 131, 364, 404, 405, 464, 466, 900):
            now = NOW + timedelta(days=days, minutes=1)
            gone = hidden(plan or "free", now)
            assert await listed(rows, one.id, now) == gone
            assert await refused(rows, opened, one.id, now) == gone


async def listed(rows: PooledReadStore, id: UUID, now: datetime) -> list[int]:
    """The versions that the list lacks, page by page; it says how many they are."""
    found, cursor = list[int](), None
    while True:
        read = await versions(rows, ADA, id, now=now, limit=3, cursor=cursor)
        assert read is not None
        found += [each.version for each in read.view.items]
        count = 0 if read.view.hidden is None else read.view.hidden.count
        cursor = read.view.next
        if cursor is None:
            assert found == sorted(found, reverse=True)
            missing = sorted({*range(1, len(DAYS) + 1)} - {*found})
            assert count == len(missing)
            return missing


async def refused(rows: PooledReadStore, opened: Opened, id: UUID, now: datetime) -> list[int]:
    """The versions that blame refuses, as does the document at an instant when they were the present ones."""
    found = [version for version in range(1, len(DAYS) + 1) if not await is_blamed(rows, opened, id, version, now)]
    for time in TIMES:
        instant = time + timedelta(seconds=1)
        present = max(version for version, at in enumerate(TIMES, 1) if at <= instant)
        try:
            read = await document_at(rows, opened.store, ADA, id, instant, now=now)
            assert read is not None
            assert (read.view.version, present in found) == (present, False)
        except VersionHidden:
            assert present in found
    return found


async def is_blamed(rows: PooledReadStore, opened: Opened, id: UUID, version: int, now: datetime) -> bool:
    """Whether blame shows a version; its text is by the one author."""
    try:
        read = await blame(rows, opened.store, ADA, id, version, now=now)
    except VersionHidden:
        return False
    assert read is not None
    assert len({passage.author_id for passage in read.view.passages}) == 1
    return True
