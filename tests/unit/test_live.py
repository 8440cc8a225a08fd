"""Live events: none is missed or sent twice, whatever fails, and no old answer lets a reader in."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.client_network import client_network
from adapters.realtime import hub as live
from adapters.realtime.hub import EventHub, OutgoingBatch
from application.ports import Actor, RecordedEvent, Unavailable
from domain.content.document import Document
from projections.visibility import Audience, FollowedThing
from tests.support.given import ID, NOW, person
from tests.support.http import Lagging
from tests.support.projecting import MemoryFeed, recorded
from tests.support.waiting import until

ADA, EVE = person(1), person(2)


def edits(count: int) -> list[RecordedEvent]:
    """A document that is written, then edited."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Notes", content="", now=NOW)
    for n in range(count - 1):
        document.change(title="Notes", content=f"{n}!", status="draft", by=ADA, now=NOW)
    return recorded(*(event for event in document.pending_events if isinstance(event, Document.Event)))


class Feed(MemoryFeed):
    """A log that fails while it is `broken`."""

    broken = False
    failures = 0

    async def read(self, after: int, limit: int) -> Sequence[RecordedEvent]:
        if self.broken:
            self.failures += 1
            raise Unavailable("The database")
        return await super().read(after, limit)


class Behind(Lagging):
    """Read models that take their time."""

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        await asyncio.sleep(0.001)
        return await super().wait(read_model, position, timeout)


class Asked:
    """Read models that say `who` may read everything; while they are `slow`, they answer when let."""

    def __init__(self) -> None:
        self.who = [ADA.user_id]
        self.slow = False
        self.times = 0
        self.let = asyncio.Event()
        self.waiting = asyncio.Event()

    async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
        if kind is FollowedThing:
            return [FollowedThing(ID)]
        self.times += 1
        answer = [Audience(id, list(self.who), [ADA.user_id], []) for id in params[0]]
        if self.slow:
            self.slow = False
            self.waiting.set()
            await self.let.wait()
        return answer


class House:
    """The hub, and what is behind it."""

    def __init__(self) -> None:
        self.feed, self.rows, self.positions = Feed(), Asked(), Behind()
        self.live = EventHub(self.feed, self.rows, self.positions)  # type: ignore[arg-type]

    async def all_after(self, position: int) -> list[int]:
        """All positions after one, page by page."""
        found: list[int] = []
        while (batch := await self.live.after(position, 0.05, ADA)).reached > position:
            found += [each.position for each in batch.events]
            position = batch.reached
        return found


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAGE_SIZE", 4)
    monkeypatch.setattr(live, "MAX_RECENT", 6)
    monkeypatch.setattr(live, "POLL_SECONDS", 0.02)


@asynccontextmanager
async def following(past: int = 0) -> AsyncIterator[House]:
    """Somebody listens, `past` events after the beginning."""
    house = House()
    house.feed.add(edits(past) if past else [])
    async with house.live.subscribed(ADA.user_id, "a"):
        assert await house.live.head(5) == past
        yield house


async def test_networks_take_turns_at_what_is_read_again_from_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many streams of one address, each of which asks for all of the log, hold up no stream of another."""
    monkeypatch.setattr(live, "MAX_CATCHING_UP", 1)
    order: list[str] = []

    async def page(name: str) -> None:
        client_network.set(name[0])
        await house.live.after(0, 0, ADA)
        order.append(name)

    async with following(past=4) as house:
        house.rows.slow = True
        pages = [asyncio.create_task(page(name)) for name in ("a0", "a1", "a2", "b3")]
        await house.rows.waiting.wait()
        house.rows.let.set()
        await asyncio.gather(*pages)
    assert order == ["a0", "a1", "b3", "a2"]


@pytest.mark.parametrize("start", [0, 3, 9, 17, 29, 30])
async def test_pages_of_log_and_memory_join_without_gap_or_repeat(start: int) -> None:
    async with following(past=10) as house:
        house.feed.add(edits(20))
        assert await house.live.head(5) == 30
        assert await house.all_after(start) == [*range(start + 1, 31)]


async def test_a_log_that_fails_for_a_while_is_followed_on() -> None:
    async with following(past=2) as house:
        house.feed.broken = True
        house.feed.add(edits(3))
        await until(lambda: house.feed.failures > 1)
        house.feed.broken = False
        assert await house.live.head(5) == 5
        assert await house.all_after(2) == [3, 4, 5]


async def test_nothing_is_shown_before_the_read_models_know_who_may_see_it() -> None:
    async with following() as house:
        house.positions.behind = 1
        house.feed.add(edits(1))
        assert await house.live.after(0, 0.2, ADA) == OutgoingBatch([], 0)
        house.positions.behind = 0
        assert [each.position for each in (await house.live.after(0, 5, ADA)).events] == [1]


def readers(batch: OutgoingBatch) -> list[str]:
    """Who may read all of it."""
    return [
        name for name, who in (("ada", ADA), ("eve", EVE)) if all(batch.may_read(who, each) for each in batch.events)
    ]


async def test_who_waited_and_who_comes_later_get_the_same() -> None:
    async with following() as house:
        waiting = asyncio.create_task(house.live.after(0, 5, ADA))
        await asyncio.sleep(0.05)
        house.feed.add(edits(2))
        at_once = await waiting
        assert [each.position for each in at_once.events] == [1, 2]
        assert readers(at_once) == readers(await house.live.after(0, 5, ADA)) == ["ada"]


async def test_the_read_models_are_asked_once_for_all_who_wait() -> None:
    async with following() as house:
        waiting = [asyncio.create_task(house.live.after(0, 5, ADA)) for _ in range(20)]
        await asyncio.sleep(0.05)
        house.feed.add(edits(1))
        assert {each.reached for each in await asyncio.gather(*waiting)} == {1}
        assert house.rows.times == 1


async def test_a_role_that_is_taken_away_counts_for_what_is_still_to_come() -> None:
    async with following() as house:
        house.rows.who = [ADA.user_id, EVE.user_id]
        house.feed.add(edits(1))
        assert readers(await house.live.after(0, 5, ADA)) == ["ada", "eve"]
        house.rows.who = [ADA.user_id]
        house.feed.add(edits(1))
        assert await house.live.head(5) == 2
        assert readers(await house.live.after(1, 5, ADA)) == ["ada"]


@pytest.mark.parametrize("start", [0, 6])
async def test_a_role_that_is_taken_away_counts_for_what_was_even_while_a_read_model_stands_still(start: int) -> None:
    async with following() as house:
        house.rows.who = [ADA.user_id, EVE.user_id]
        house.feed.add(edits(10))
        assert await house.live.head(5) == 10
        assert readers(await house.live.after(start, 5, ADA)) == ["ada", "eve"]
        house.positions.behind = 1
        house.rows.who = [ADA.user_id]
        house.feed.add(edits(1))
        assert readers(await house.live.after(start, 5, ADA)) == ["ada"]


async def test_an_answer_from_before_a_role_was_taken_away_is_not_used_for_who_asks_later() -> None:
    async with following(past=1) as house:
        house.rows.who, house.rows.slow = [EVE.user_id], True
        before = asyncio.create_task(house.live.after(0, 5, ADA))
        await house.rows.waiting.wait()
        house.rows.who = [ADA.user_id]
        assert readers(await house.live.after(0, 5, ADA)) == ["ada"]
        house.rows.let.set()
        await before
        assert readers(await house.live.after(0, 5, ADA)) == ["ada"]


async def test_whom_nobody_knows_nobody_lets_in() -> None:
    async with following(past=1) as house:
        past = await house.live.after(0, 5, ADA)
        assert past.may_read(ADA, past.events[0])
        assert not past.may_read(Actor(EVE.user_id, None), past.events[0])
        assert not OutgoingBatch(past.events, past.reached).may_read(ADA, past.events[0])


async def test_a_log_that_does_not_answer_has_no_head() -> None:
    async with following() as house:

        async def head() -> int:
            raise Unavailable("The database")

        house.feed.head = head  # type: ignore[method-assign]
        assert await house.live.head(5) is None


async def test_whoever_comes_after_the_last_has_left_begins_anew() -> None:
    async with following(past=3) as house:
        pass
    house.feed.add(edits(2))
    async with house.live.subscribed(EVE.user_id, "a"):
        assert await house.live.head(5) == 5
        assert await house.all_after(0) == [1, 2, 3, 4, 5]


class CountingFeed(Feed):
    """A log that counts the events that were read of it, by stream."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: Counter[UUID] = Counter()

    async def read_streams(self, stream_ids: Sequence[UUID], after: int, limit: int) -> Sequence[RecordedEvent]:
        page = await super().read_streams(stream_ids, after, limit)
        self.counted.update(event.stream_id for event in page)
        return page


class ShortPages(Feed):
    """A log whose pages are short, because its events are large."""

    async def read_streams(self, stream_ids: Sequence[UUID], after: int, limit: int) -> Sequence[RecordedEvent]:
        return (await super().read_streams(stream_ids, after, limit))[:2]


async def test_a_short_page_is_not_the_end() -> None:
    """H3: pages are bounded by bytes, too."""
    house = House()
    house.feed = ShortPages()
    house.live = EventHub(house.feed, house.rows, house.positions)  # type: ignore[arg-type]
    house.feed.add(edits(5))
    async with house.live.subscribed(ADA.user_id, "a"):
        assert await house.live.head(5) == 5
        assert await house.all_after(0) == [1, 2, 3, 4, 5]


async def test_a_reader_of_the_whole_log_costs_what_they_may_read() -> None:
    """M7: a stream from the beginning unsealed every event of everybody."""
    house, feed = House(), CountingFeed()
    house.live = EventHub(feed, house.rows, house.positions)  # type: ignore[arg-type]
    feed.add(edits(2))
    feed.add(replace(event, stream_id=UUID(int=77)) for event in edits(500))
    feed.add(edits(7))
    async with house.live.subscribed(ADA.user_id, "a"):
        assert await house.live.head(5) == 509
        house.feed = feed
        assert await house.all_after(0) == [1, 2, *range(503, 510)]
    assert feed.counted == {ID: 9}
