"""Runs projectors in tests, and looks at what they make."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import cast
from uuid import UUID

import psycopg
from msgspec.structs import replace

from application.ports import EventFeed, EventPlace, RecordedEvent
from domain.kernel import Root
from infra.bootstrap.projections import prepare_tables
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import PROJECTIONS, QuarantinedStream
from infra.projector.log_projector import LogProjector
from infra.projector.read_ahead import BufferedFeed
from infra.projector.read_models import ReadModels
from infra.projector.rebuild.rebuild import rebuild
from projections.kernel import ReadModel
from tests.support.stores import CALL, Opened
from tests.support.waiting import until

MOMENT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def news(*roots: Root) -> list[RecordedEvent]:
    """The pending events of the aggregates, one after the other, as they would stand in a log of their own."""
    return recorded(*(cast(Root.Event, event) for root in roots for event in root.pending_events))


def recorded(*events: Root.Event) -> list[RecordedEvent]:
    """The events as they would stand in a log of their own."""
    return [
        RecordedEvent(
            position=n,
            stream_id=event.originator_id,
            version=event.originator_version,
            topic=getattr(event, "TOPIC", ""),
            recorded_at=MOMENT,
            actor_id=UUID(int=7),
            data=event,
        )
        for n, event in enumerate(events, 1)
    ]


class MemoryFeed:
    """A log in memory (`application.ports.EventFeed`), with at most `page` events on a page."""

    def __init__(self, events: Iterable[RecordedEvent] = (), page: int = 2**62) -> None:
        self.page = page
        self.events: list[RecordedEvent] = []
        self.add(events)

    def add(self, events: Iterable[RecordedEvent]) -> None:
        """Append the events, whatever position they had."""
        for event in events:
            self.events.append(replace(event, position=len(self.events) + 1))

    async def head(self) -> int:
        return len(self.events)

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        return self.events[after : after + min(limit, self.page)]

    async def stream(self, stream_id: UUID, first: int, last: int) -> Sequence[RecordedEvent]:
        return [event for event in self.events[first - 1 : last] if event.stream_id == stream_id][: self.page]

    async def read_streams(self, stream_ids: Sequence[UUID], after: int, limit: int) -> Sequence[RecordedEvent]:
        return [event for event in self.events[after:] if event.stream_id in stream_ids][:limit]

    async def wait(self, after: int, timeout: float) -> None:
        deadline = monotonic() + timeout
        while len(self.events) <= after and monotonic() < deadline:  # noqa: ASYNC110 - tests just add to the list
            await asyncio.sleep(0.002)


class EventsOf:
    """The pending events of aggregates, as stored ones (`application.ports.StoredEvents`)."""

    def __init__(self, *roots: Root) -> None:
        self._events = {(event.stream_id, event.version): event.data for event in news(*roots)}

    async def events(self, places: Sequence[EventPlace]) -> list[Root.Event]:
        return [cast(Root.Event, self._events[place]) for place in places]


@dataclass(frozen=True, slots=True)
class Running:
    """A projector at work."""

    models: Sequence[ReadModel]
    feed: EventFeed
    url: str

    async def reached(self, position: int | None = None, patience: float = 15.0) -> None:
        """Wait until all its read models have reached the position; the end of the log, without one."""
        goal = await self.feed.head() if position is None else position
        await until(lambda: all(at >= goal for at in positions(self.url, self.models).values()), patience)


@asynccontextmanager
async def projecting(models: Sequence[ReadModel], feed: EventFeed, url: str) -> AsyncIterator[Running]:
    """A projector that runs meanwhile."""
    await prepare_tables(url, models)
    recent = BufferedFeed(feed)
    projector = LogProjector(ReadModels(models, lambda model: rebuild(model, feed, url)), recent, feed, url)
    task = asyncio.create_task(projector.run())
    try:
        yield Running(models, feed, url)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await recent.stop()


async def append(opened: Opened, changes: Iterable[Sequence[Root]]) -> int:
    """Append the changes in order, several at a time where they do not touch. Answers the last position."""
    last = 0
    for roots in changes:
        position = await opened.store.append(roots, CALL, None)
        assert isinstance(position, int)
        last = position
    return last


def positions(url: str, models: Sequence[ReadModel]) -> dict[str, int]:
    """Where the read models stand; -1 for one of another version."""
    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT name, version, position FROM projections").fetchall()
    versions = {model.name: model.version for model in models}
    return {
        name: position if versions[name] == version else -1 for name, version, position in found if name in versions
    }


async def quarantine_of(url: str) -> list[QuarantinedStream]:
    """Who is in quarantine."""
    async with await connect(url) as connection:
        return await PROJECTIONS.list_quarantine(connection)


def dump(url: str, table: str) -> bytes:
    """The table's rows, byte for byte, by key."""
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        query = f"COPY (SELECT * FROM read.{table} ORDER BY {table}) TO STDOUT"
        with cursor.copy(query.encode()) as copy:
            return b"".join(bytes(block) for block in copy)
