"""What happens, as it happens, for many listeners at once: the log is read once, however many there are.

A listener pulls: it asks for what comes after the position it has, so that a slow one holds up nobody and fills no
buffer. What is recent comes out of memory, what is older out of the log. Who may read a thing is asked of the read
models whenever something happens to it, once they have come that far; each listener is compared with the answer right
before it gets anything. What the answer does not name nobody gets.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Protocol
from uuid import UUID

import msgspec
import structlog

from adapters.http.problems import TooManyStreams
from adapters.stream.records import Publisher
from application.ports import Actor, EventFeed, Recorded, Rows, Unavailable
from projections.readers import READ_MODELS, Readers, readers_of

PAGE = 500
RECENT = 5_000
KNOWN = 50_000
PATIENCE = 1.0
CATCHING_UP = 2
"""How many listeners read the log itself at a time."""

log = structlog.get_logger(__name__)


class Positions(Protocol):
    """How far the read models have come."""

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait for the read model to reach the position, at most `timeout` seconds; answers how far behind it is."""


class Shown(msgspec.Struct, frozen=True):
    """An event as listeners get it. `thing`: the first word of its topic; `text`: a block of server-sent events."""

    position: int
    type: str
    thing: str
    subject_id: UUID
    text: bytes


class Batch(msgspec.Struct, frozen=True):
    """What is shown up to the position `reached`."""

    shown: list[Shown]
    reached: int


class Live:
    """Follows the log while somebody listens. `most`: listeners at a time; `most_each`: of them, those of one user."""

    def __init__(
        self, feed: EventFeed, rows: Rows, positions: Positions, *, most: int = 1_000, most_each: int = 10
    ) -> None:
        self._feed = feed
        self._rows = rows
        self._positions = positions
        self._publisher = Publisher()
        self._most, self._most_each = most, most_each
        self._listeners: dict[UUID, int] = {}
        self._tail: asyncio.Task[None] | None = None
        self._recent: deque[Shown] = deque()
        self._recent_after = 0
        self._head: int | None = None
        self._readers: dict[UUID, Readers | None] = {}
        self._era = 0
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

    async def after(self, position: int, timeout: float) -> Batch:
        """What comes after the position, a page at most; if need be after waiting, and then it may be nothing."""
        if self._head is None or position >= self._head:
            await self._wait(timeout)
        if self._head is None or position >= self._head:
            return Batch([], position)
        if position >= self._recent_after:
            return self._from_memory(position, self._head)
        return await self._from_log(position, self._head)

    async def learn(self, batch: Batch) -> None:
        """Find out who may read what the batch is about, as far as it is not known."""
        while missing := [each for each in batch.shown if each.subject_id not in self._readers]:
            era = self._era
            found = await self._ask(missing)
            for each in missing if era == self._era else ():
                # What was learnt meanwhile, when it happened, is the newer answer.
                self._readers.setdefault(each.subject_id, found.get(each.subject_id))

    def may_read(self, actor: Actor, shown: Shown) -> bool:
        """Whether the actor may read the document or the team that this is about, now."""
        readers = self._readers.get(shown.subject_id)
        return readers is not None and readers.include(actor)

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
        self._head = None
        self._recent.clear()
        self._forget()
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
                # What is known of readers may be out of date by now.
                self._forget()
                log.warning("not following the log", error=type(error).__name__)
                await asyncio.sleep(PATIENCE)

    async def _advance(self, head: int) -> None:
        events = await self._feed.read(head, PAGE)
        if not events:
            await self._feed.wait(head, PATIENCE)
            return
        await self._reached(events[-1].position)
        shown = self._shown(events)
        found = await self._ask(shown)
        if len(self._readers) > KNOWN:
            self._forget()
        self._readers.update({each.subject_id: found.get(each.subject_id) for each in shown})
        self._recent.extend(shown)
        while len(self._recent) > RECENT:
            self._recent_after = self._recent.popleft().position
        self._head = events[-1].position
        self._wake()

    async def _reached(self, position: int) -> None:
        """Wait until the read models have come so far: before that they do not know who may read it."""
        for name in READ_MODELS:
            while await self._positions.wait(name, position, PATIENCE):
                pass

    async def _ask(self, shown: Sequence[Shown]) -> dict[UUID, Readers]:
        documents, teams = ({each.subject_id for each in shown if each.thing == name} for name in ("document", "team"))
        return await readers_of(self._rows, documents, teams)

    def _forget(self) -> None:
        self._readers.clear()
        self._era += 1

    def _from_memory(self, position: int, head: int) -> Batch:
        newer: list[Shown] = []
        for each in reversed(self._recent):
            if each.position <= position:
                break
            newer.append(each)
        newer.reverse()
        return Batch(newer[:PAGE], newer[PAGE - 1].position if len(newer) > PAGE else head)

    async def _from_log(self, position: int, head: int) -> Batch:
        async with self._catching_up:
            events = [event for event in await self._feed.read(position, PAGE) if event.position <= head]
        return Batch(self._shown(events), events[-1].position if events else position)

    def _shown(self, events: Sequence[Recorded]) -> list[Shown]:
        """What of the events is published."""
        shown = []
        for event in events:
            found = self._publisher.public_value(event)
            if found is not None:
                type, value = found
                text = b"id: %d\nevent: %b\ndata: %b\n\n" % (event.position, type.encode(), value)
                thing = event.topic.partition(".")[0]
                shown.append(Shown(event.position, type, thing, event.stream_id, text))
        return shown

    async def _wait(self, timeout: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()
