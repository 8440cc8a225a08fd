"""Event hub: delivers events of the log to many subscribers as they happen; the log is read once for all of them.

A subscriber pulls the events after its position, so a slow subscriber delays no other and fills no buffer. Recent
events come from memory, older ones from the log: only those of things that the subscriber follows, so that reading the
whole log costs what the subscriber may read.

Events are delivered only after the read models have processed them. Permissions are queried once per batch for all
waiting subscribers, and again for every later page. Results are never cached, so a revoked user cannot be served from
an old answer. Events without a permission row go to no subscriber; the events of one's own account need none (`sse`).
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from uuid import UUID

import msgspec
import structlog

from adapters.fair_queue import FairTurns
from adapters.integration_events.cloudevents import CloudEvents
from adapters.realtime.stream_shares import StreamShares
from application.ports import Actor, Positions, ReadStore, RecordedEvent, SelectiveFeed, Unavailable
from projections.kernel import models_read_by
from projections.visibility import Audience, followed_by, readers_of

PAGE_SIZE = 500
MAX_RECENT = 5_000
POLL_SECONDS = 1.0
MAX_CATCHING_UP = 2
"""Pages served at a time to subscribers that missed the newest batch: each page runs queries of its own. The networks
of clients take turns."""

log = structlog.get_logger(__name__)


class OutgoingEvent(msgspec.Struct, frozen=True):
    """An event as subscribers get it. `text`: a block of server-sent events.

    `thing`: the name of the aggregate that it is about. `for_managers`: only its managers may read the event, see
    `IntegrationType.FOR_MANAGERS`.
    """

    position: int
    type: str
    thing: str
    subject_id: UUID
    for_managers: bool
    text: bytes


class OutgoingBatch(msgspec.Struct, frozen=True):
    """The events up to the position `reached`, and who may read them now. To be used at once, and not kept."""

    events: list[OutgoingEvent]
    reached: int
    audiences: dict[UUID, Audience] = {}

    def may_read(self, actor: Actor, event: OutgoingEvent) -> bool:
        """Return whether the actor may read an event about a document or a team."""
        audience = self.audiences.get(event.subject_id)
        return audience is not None and audience.include(actor, managers=event.for_managers)


class EventHub:
    """Follows the log while there are subscribers, whose number `StreamShares` bounds."""

    def __init__(
        self,
        feed: SelectiveFeed,
        rows: ReadStore,
        positions: Positions,
        shares: StreamShares | None = None,
    ) -> None:
        self._feed = feed
        self._rows = rows
        self._positions = positions
        self._publisher = CloudEvents()
        self._shares = shares or StreamShares()
        self._follower: asyncio.Task[None] | None = None
        self._recent: deque[OutgoingEvent] = deque()
        self._recent_after = 0
        self._head: int | None = None
        self._newest = OutgoingBatch([], 0)
        self._newest_after: int | None = None
        self._advanced = asyncio.Event()
        self._catching_up = FairTurns(MAX_CATCHING_UP)
        self.closed = False
        """Whether streams are to end."""

    @asynccontextmanager
    async def subscribed(self, user_id: UUID, network: str) -> AsyncIterator[None]:
        """Count as a subscriber meanwhile.

        Raises:
            TooManyStreams: the limit is reached, in all, for this user, or for this network.
        """
        self._shares.take(user_id, network)
        try:
            if self._follower is None:
                self._follower = asyncio.create_task(self._follow())
            yield
        finally:
            self._shares.give_back(user_id, network)
            if not self._shares.open:
                await self._stop_following()

    async def head(self, timeout: float) -> int | None:
        """Return the end of the log, once all events up to there may be delivered; None after the timeout."""
        try:
            async with asyncio.timeout(timeout):
                end = await self._feed.head()
                while self._head is None or self._head < end:
                    await self._advanced.wait()
        except (TimeoutError, Unavailable):
            return None
        return self._head

    async def after(self, position: int, timeout: float, actor: Actor) -> OutgoingBatch:
        """Return the next page of events after the position; waits for new ones, and is empty after the timeout.

        A page that is not in memory any more has the events of things that the actor follows.

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
        async with self._catching_up.turn():
            return await self._page(position, actor)

    def close(self) -> None:
        """End all streams. Their clients reconnect."""
        self.closed = True
        self._wake()

    async def _stop_following(self) -> None:
        follower, self._follower = self._follower, None
        self._head = self._newest_after = None
        self._recent.clear()
        if follower is not None:
            follower.cancel()
            with suppress(asyncio.CancelledError):
                await follower

    async def _follow(self) -> None:
        """Follow the log until cancelled."""
        while True:
            try:
                if self._head is None:
                    start = await self._feed.head()
                    await self._wait_for_read_models(start)
                    self._head = self._recent_after = start
                    self._wake()
                await self._advance(self._head)
            except Exception as error:
                log.warning("event hub cannot read the log; retrying", error=type(error).__name__)
                await asyncio.sleep(POLL_SECONDS)

    async def _advance(self, head: int) -> None:
        recorded = await self._feed.read(head, PAGE_SIZE)
        if not recorded:
            await self._feed.wait(head, POLL_SECONDS)
            return
        await self._wait_for_read_models(recorded[-1].position)
        events = self._outgoing(recorded)
        self._newest = OutgoingBatch(events, recorded[-1].position, await self._audiences(events))
        self._recent.extend(events)
        while len(self._recent) > MAX_RECENT:
            self._recent_after = self._recent.popleft().position
        self._newest_after, self._head = head, recorded[-1].position
        self._wake()

    async def _wait_for_read_models(self, position: int) -> None:
        """Wait until the read models that hold the permissions have reached the position."""
        for name in models_read_by(readers_of):
            while await self._positions.wait(name, position, POLL_SECONDS):
                pass

    async def _audiences(self, events: Sequence[OutgoingEvent]) -> dict[UUID, Audience]:
        documents, teams = ({each.subject_id for each in events if each.thing == name} for name in ("document", "team"))
        return await readers_of(self._rows, documents, teams)

    def _goes_beyond(self, position: int) -> bool:
        return self._head is not None and self._head > position

    async def _page(self, position: int, actor: Actor) -> OutgoingBatch:
        """Return the page after the position, with permissions queried for it."""
        head = self._head
        if head is None:
            return OutgoingBatch([], position)
        if position >= self._recent_after:
            events, reached = self._from_memory(position, head)
        else:
            events, reached = await self._from_log(position, head, actor)
        return OutgoingBatch(events, reached, await self._audiences(events))

    def _from_memory(self, position: int, head: int) -> tuple[list[OutgoingEvent], int]:
        newer: list[OutgoingEvent] = []
        for each in reversed(self._recent):
            if each.position <= position:
                break
            newer.append(each)
        newer.reverse()
        return newer[:PAGE_SIZE], newer[PAGE_SIZE - 1].position if len(newer) > PAGE_SIZE else head

    async def _from_log(self, position: int, head: int, actor: Actor) -> tuple[list[OutgoingEvent], int]:
        """Read what the actor may read only: of a whole log that is little."""
        page = await self._feed.read_streams(await followed_by(self._rows, actor), position, PAGE_SIZE)
        recorded = [event for event in page if event.position <= head]
        reached = recorded[-1].position if recorded else head
        return self._outgoing(recorded), reached

    def _outgoing(self, events: Sequence[RecordedEvent]) -> list[OutgoingEvent]:
        """Return the events that are published, encoded."""
        outgoing = []
        for event in events:
            found = self._publisher.public_value(event)
            if found is not None:
                kind, value = found
                type, thing = kind.type(), kind.aggregate()
                text = b"id: %d\nevent: %b\ndata: %b\n\n" % (event.position, type.encode(), value)
                outgoing.append(OutgoingEvent(event.position, type, thing, event.stream_id, kind.FOR_MANAGERS, text))
        return outgoing

    async def _wait(self, timeout: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._advanced.wait()

    def _wake(self) -> None:
        advanced, self._advanced = self._advanced, asyncio.Event()
        advanced.set()
