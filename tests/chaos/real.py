"""A real run on which nothing was planted, to be spoilt, and what the checks say of it."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from application.ports import RecordedEvent
from infra.store.feed import PostgresEventFeed
from tests.chaos.evidence import Evidence, record
from tests.chaos.invariants import CHECKS, rebuilt_read_models_equal_live_ones
from tests.chaos.run import Outcome
from tests.chaos.verdicts import Check
from tests.support.servers import Cluster, Database
from tests.support.smtp import Ledger
from tests.support.stores import open_store

Spoil = Callable[[Sequence[RecordedEvent]], Sequence[RecordedEvent]]


@dataclass(frozen=True)
class Real:
    """A run on which nothing was planted, and where it ran."""

    outcome: Outcome
    database: Database
    cluster: Cluster
    mails: Ledger

    @contextmanager
    def copy(self) -> Iterator[Database]:
        """What it left in the database, to be spoilt."""
        with self.cluster.database(self.database.name) as database:
            yield database


def violated(evidence: Evidence) -> set[Check]:
    """The checks that do not hold."""
    return {check for _, check in CHECKS if any(verdict is not True for verdict in check(evidence))}


def require_holding(checks: Sequence[tuple[int, Check]], evidence: Evidence) -> None:
    """Check that these checks hold, and that each has looked at something."""
    for _, check in checks:
        verdicts = list(check(evidence))
        assert len(verdicts) >= 3, check.__name__
        assert set(verdicts) == {True}, check.__name__


def needs_rebuilt(expected: set[Check]) -> bool:
    """Whether read models must be rebuilt to see the expected checks fail; to see that all hold, they must."""
    return not expected or rebuilt_read_models_equal_live_ones in expected


@dataclass
class Faulty:
    """The real feed, whose second page is spoilt."""

    feed: PostgresEventFeed
    spoil: Spoil
    pages: int = 0

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        self.pages += 1
        events = await self.feed.read(after, min(limit, 20))
        return self.spoil(events) if self.pages == 2 else events

    def __getattr__(self, name: str) -> Any:
        return getattr(self.feed, name)


def followed(database: Database, spoil: Spoil = lambda events: events) -> list[RecordedEvent]:
    """What a consumer of the feed has seen at the end of the log."""
    fed: list[RecordedEvent] = []
    over = threading.Event()
    over.set()

    async def follow() -> None:
        async with open_store(database.app_url) as opened:
            await record(Faulty(opened.feed(), spoil), fed, over)

    asyncio.run(follow())
    return fed
