"""What is left when the dust has settled: the log, the ledger, what the feed has shown, the read models, twice."""

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from adapters.http.api.responses import encode, etag_of
from application.content.document import document_view
from application.identity.user import user_view
from application.ports import EventFeed, RecordedEvent, Unavailable
from application.teams.team import team_view
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Root
from domain.teams.team import Team
from infra.bootstrap.write_side import load_use_cases
from infra.postgres.connect import as_part
from infra.projector.rebuild.rebuild import rebuild
from infra.store.audit_leaf import leaf
from projections.kernel import ReadModel, read_models
from tests.chaos.ledger import Ledger, digest
from tests.chaos.work import Work
from tests.support.sealing import ALL_EVENTS
from tests.support.stores import open_store

PAGE = 2_000
REBUILT_AT_ONCE = 4
SETUP = UUID(int=0x5E7)
"""The correlation of what was written before the load began. It has no trace."""
WORKER = UUID(int=0x30B)
"""Stands for the request, where a job wrote an event: it has no trace either."""

ATTEMPTS = """
SELECT position, CASE
    WHEN traceparent IS NOT NULL THEN split_part(traceparent, '-', 2)::uuid
    WHEN correlation_id <> %s THEN %s
    ELSE correlation_id
END FROM events ORDER BY position
"""

Rows = dict[str, list[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the API must show of a thing after an event, from the log alone: its version, its ETag, its body."""

    version: int
    tag: str
    body: str


@dataclass(frozen=True, slots=True)
class Logged:
    """An event as it stands in the log. `attempt`: the request that wrote it, or `SETUP`, or `WORKER`.

    `shown` is None for what has no view, and for a broken stream from its first fault on.
    """

    position: int
    stream_id: UUID
    version: int
    topic: str
    attempt: UUID
    data: Any
    shown: Shown | None

    @property
    def api_version(self) -> int:
        """The version that the API shows: of a document, the number of saves."""
        return self.version if self.shown is None else self.shown.version


@dataclass(frozen=True, slots=True)
class Evidence:
    """All there is to judge by. `rebuilt` is None where no read model was rebuilt, `work` where no workers work.

    `leaves`: what the signed tree holds of each event. `signed`: all checkpoints in the database.
    """

    log: list[Logged]
    ledger: Ledger
    fed: list[RecordedEvent]
    live: Rows
    rebuilt: Rows | None
    quarantined: int
    work: Work | None = None
    leaves: list[bytes] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def bodies(self) -> dict[tuple[UUID, str], str]:
        """The digest of what an answer about a stream with an ETag must say."""
        return {(event.stream_id, event.shown.tag): event.shown.body for event in self.log if event.shown is not None}


async def record(feed: EventFeed, fed: list[RecordedEvent], over: threading.Event) -> None:
    """Follow a feed as any consumer would, through all outages, until it is over and the end is reached."""
    while True:
        after = fed[-1].position if fed else 0
        with suppress(Unavailable):
            events = await feed.read(after, PAGE)
            fed += events
            if not events and over.is_set():
                return
            if not events:
                await feed.wait(after, 1.0)
            continue
        await asyncio.sleep(0.1)


async def collect(
    app_url: str,
    admin_url: str,
    ledger: Ledger,
    fed: list[RecordedEvent],
    work: Work | None = None,
    *,
    rebuilding: bool = True,
) -> Evidence:
    """Read everything and, if `rebuilding`, rebuild every read model, which takes most of the time.

    No other client may be at work.
    """
    load_use_cases()
    async with open_store(app_url) as opened:
        feed = _KeptPages(opened.feed())
        log = await read_log(feed, admin_url)
        live = _rows(admin_url)
        if rebuilding:
            await _rebuild_all(feed, as_part(app_url, "projector"))
    with psycopg.connect(admin_url) as connection:
        found = connection.execute("SELECT count(*) FROM projection_quarantine").fetchone()
        leaves = [leaf(*row) for row in connection.execute(ALL_EVENTS.encode())]
        signed = [note for (note,) in connection.execute("SELECT note FROM log_checkpoints ORDER BY size")]
    assert found is not None
    rebuilt = _rows(admin_url) if rebuilding else None
    return Evidence(log, ledger, fed, live, rebuilt, found[0], work, leaves, signed)


async def _rebuild_all(feed: EventFeed, url: str) -> None:
    """Rebuild every read model, a few at a time: most of each rebuild waits for the database."""
    some = asyncio.Semaphore(REBUILT_AT_ONCE)

    async def one(model: ReadModel) -> None:
        async with some:
            await rebuild(model, feed, url)

    async with asyncio.TaskGroup() as tasks:
        for model in read_models():
            tasks.create_task(one(model))


class _KeptPages:
    """The feed of a log that no longer changes: each page is read once, whichever read models are rebuilt from it."""

    def __init__(self, feed: EventFeed) -> None:
        self._feed = feed
        self._pages: dict[tuple[int, int], Sequence[RecordedEvent]] = {}

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        if (after, limit) not in self._pages:
            self._pages[after, limit] = await self._feed.read(after, limit)
        return self._pages[after, limit]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._feed, name)


async def read_log(feed: EventFeed, admin_url: str) -> list[Logged]:
    """The whole log."""
    with psycopg.connect(admin_url) as connection:
        attempts: dict[int, UUID] = dict(connection.execute(ATTEMPTS, [SETUP, WORKER]).fetchall())
    log: list[Logged] = []
    replay = Replay()
    while events := await feed.read(log[-1].position if log else 0, PAGE):
        log += [
            Logged(e.position, e.stream_id, e.version, e.topic, attempts[e.position], e.data, replay.show(e))
            for e in events
        ]
    return log


def _rows(admin_url: str) -> Rows:
    with psycopg.connect(admin_url, row_factory=dict_row) as connection:
        return {
            model.name: connection.execute(f"SELECT * FROM read.{model.name} AS t ORDER BY t".encode()).fetchall()
            for model in read_models()
        }


class Replay:
    """Replays the log, event by event."""

    def __init__(self) -> None:
        self._roots: dict[UUID, Root | None] = {}

    def show(self, event: RecordedEvent) -> Shown | None:
        """What the API must show after an event."""
        root = self._roots.get(event.stream_id)
        try:
            self._roots[event.stream_id] = root = event.data.mutate(root)  # type: ignore[union-attr]
            assert root is not None
            assert root.version == event.version
        except Exception:  # a plant's work, which other checks see too
            self._roots[event.stream_id] = None
            return None
        view = _view(root)
        return None if view is None else Shown(view.version, tag_of(view), digest(encode(view)))


def tag_of(view: Any) -> str:
    """The ETag without its quotes."""
    [(_, tag)] = etag_of(view)
    return tag.decode().strip('"')


def _view(root: Root) -> Any:
    match root:
        case Document():
            return document_view(root)
        case User():
            return user_view(root)
        case Team():
            return team_view(root, root.modified_on)
    return None
