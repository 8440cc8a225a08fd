"""What happens, as it happens, for many listeners at once: the log is read once, however many there are.

A listener pulls: it asks for what comes after the position it has, so that a slow one holds up nobody and fills no
buffer. What is recent comes out of memory, what is older out of the log. Nothing is told before the read models have
come that far. Who may read it they are asked once for all who were waiting when it came, and anew for each page that
anybody gets later: an answer is used at once or not at all, so that nobody is let in by one from before they were shut
out. What the answer does not name nobody gets.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import msgspec
import structlog

from adapters.http.api.problems import TooManyStreams
from adapters.integration_events.cloudevents import CloudEvents
from application.ports import Actor, EventFeed, Positions, ReadStore, RecordedEvent, Unavailable
from projections.kernel import models_read_by
from projections.visibility import Audience, readers_of

PAGE = 500
RECENT = 5_000
PATIENCE = 1.0
CATCHING_UP = 2
"""How many listeners who were not waiting for what came are served at a time: each takes queries of its own."""

log = structlog.get_logger(__name__)


class OutgoingEvent(msgspec.Struct, frozen=True):
    """An event as listeners get it. `thing`: the first word of its name; `text`: a block of server-sent events.

    `for_managers`: who may read what it is about does not suffice, as `Published` says.
    """

    position: int
    type: str
    thing: str
    subject_id: UUID
    for_managers: bool
    text: bytes


class OutgoingBatch(msgspec.Struct, frozen=True):
    """What is shown up to the position `reached`, and who may read it now: to be used at once, and not kept."""

    shown: list[OutgoingEvent]
    reached: int
    readers: dict[UUID, Audience] = {}

    def may_read(self, actor: Actor, shown: OutgoingEvent) -> bool:
        """Whether the actor may read this of the document or the team that it is about."""
        readers = self.readers.get(shown.subject_id)
        return readers is not None and readers.include(actor, managers=shown.for_managers)


class EventHub:
    """Follows the log while somebody listens. `most`: listeners at a time; `most_each`: of them, those of one user."""

    def __init__(
        self, feed: EventFeed, rows: ReadStore, positions: Positions, *, most: int = 1_000, most_each: int = 10
    ) -> None:
        self._feed = feed
        self._rows = rows
        self._positions = positions
        self._publisher = CloudEvents()
        self._most, self._most_each = most, most_each
        self._listeners: dict[UUID, int] = {}
        self._tail: asyncio.Task[None] | None = None
        self._recent: deque[OutgoingEvent] = deque()
        self._recent_after = 0
        self._head: int | None = None
        self._newest = OutgoingBatch([], 0)
        self._newest_after: int | None = None
        self._news = asyncio.Event()
        self._catching_up = asyncio.Semaphore(CATCHING_UP)
        self.over = False
        """Whether listeners are to go."""

    @asynccontextmanager
    async def listening(self, user_id: UUID) -> AsyncIterator[None]:
        """Be a listener meanwhile.

        Raises:
            TooManyStreams: there are too many, or this user has too many.
        """
        self._admit(user_id)
        try:
            yield
        finally:
            self._listeners[user_id] -= 1
            if not self._listeners[user_id]:
                del self._listeners[user_id]
            if not self._listeners:
                await self._rest()

    async def head(self, timeout: float) -> int | None:
        """The end of the log, once all up to there may be shown; None where that takes too long."""
        try:
            async with asyncio.timeout(timeout):
                end = await self._feed.head()
                while self._head is None or self._head < end:
                    await self._news.wait()
        except (TimeoutError, Unavailable):
            return None
        return self._head

    async def after(self, position: int, timeout: float) -> OutgoingBatch:
        """What comes after the position, a page at most; if need be after waiting, and then it may be nothing.

        Raises:
            Unavailable: the log or the read models do not answer.
        """
        waited = not self._goes_beyond(position)
        if waited:
            await self._wait(timeout)
        if not self._goes_beyond(position):
            return OutgoingBatch([], position)
        if waited and position == self._newest_after:
            return self._newest
        async with self._catching_up:
            return await self._page(position)

    def end(self) -> None:
        """Let all listeners go; they come again."""
        self.over = True
        self._wake()

    def _admit(self, user_id: UUID) -> None:
        own = self._listeners.get(user_id, 0)
        if own >= self._most_each:
            raise TooManyStreams("You have too many streams open; close one of them.", {"Retry-After": "30"})
        if sum(self._listeners.values()) >= self._most:
            raise TooManyStreams("Too many streams are open; try again later.", {"Retry-After": "30"})
        self._listeners[user_id] = own + 1
        if self._tail is None:
            self._tail = asyncio.create_task(self._follow())

    async def _rest(self) -> None:
        tail, self._tail = self._tail, None
        self._head = self._newest_after = None
        self._recent.clear()
        if tail is not None:
            tail.cancel()
            with suppress(asyncio.CancelledError):
                await tail

    async def _follow(self) -> None:
        """Keep up with the log until cancelled."""
        while True:
            try:
                if self._head is None:
                    start = await self._feed.head()
                    await self._reached(start)
                    self._head = self._recent_after = start
                    self._wake()
                await self._advance(self._head)
            except Exception as error:
                log.warning("not following the log", error=type(error).__name__)
                await asyncio.sleep(PATIENCE)

    async def _advance(self, head: int) -> None:
        events = await self._feed.read(head, PAGE)
        if not events:
            await self._feed.wait(head, PATIENCE)
            return
        await self._reached(events[-1].position)
        shown = self._shown(events)
        self._newest = OutgoingBatch(shown, events[-1].position, await self._ask(shown))
        self._recent.extend(shown)
        while len(self._recent) > RECENT:
            self._recent_after = self._recent.popleft().position
        self._newest_after, self._head = head, events[-1].position
        self._wake()

    async def _reached(self, position: int) -> None:
        """Wait until the read models have come so far: before that they do not know who may read it."""
        for name in models_read_by(readers_of):
            while await self._positions.wait(name, position, PATIENCE):
                pass

    async def _ask(self, shown: Sequence[OutgoingEvent]) -> dict[UUID, Audience]:
        documents, teams = ({each.subject_id for each in shown if each.thing == name} for name in ("document", "team"))
        return await readers_of(self._rows, documents, teams)

    def _goes_beyond(self, position: int) -> bool:
        return self._head is not None and self._head > position

    async def _page(self, position: int) -> OutgoingBatch:
        """What comes after the position, with the read models asked anew."""
        head = self._head
        if head is None:
            return OutgoingBatch([], position)
        if position >= self._recent_after:
            shown, reached = self._from_memory(position, head)
        else:
            shown, reached = await self._from_log(position, head)
        return OutgoingBatch(shown, reached, await self._ask(shown))

    def _from_memory(self, position: int, head: int) -> tuple[list[OutgoingEvent], int]:
        newer: list[OutgoingEvent] = []
        for each in reversed(self._recent):
            if each.position <= position:
                break
            newer.append(each)
        newer.reverse()
        return newer[:PAGE], newer[PAGE - 1].position if len(newer) > PAGE else head

    async def _from_log(self, position: int, head: int) -> tuple[list[OutgoingEvent], int]:
        events = [event for event in await self._feed.read(position, PAGE) if event.position <= head]
        return self._shown(events), events[-1].position if events else position

    def _shown(self, events: Sequence[RecordedEvent]) -> list[OutgoingEvent]:
        """What of the events is published."""
        shown = []
        for event in events:
            found = self._publisher.public_value(event)
            if found is not None:
                kind, value = found
                type, thing = kind.type(), kind.aggregate()
                text = b"id: %d\nevent: %b\ndata: %b\n\n" % (event.position, type.encode(), value)
                shown.append(OutgoingEvent(event.position, type, thing, event.stream_id, kind.FOR_MANAGERS, text))
        return shown

    async def _wait(self, timeout: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
