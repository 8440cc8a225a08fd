"""Stream locks: one holder for each stream at a time, in order of arrival, without deadlock."""

import asyncio
from uuid import UUID

from application.stream_locks import StreamLocks

ONE, TWO = UUID(int=1), UUID(int=2)


class Story:
    """Tasks that hold locks until they are let go, and what they did."""

    def __init__(self) -> None:
        self.locks = StreamLocks()
        self.holding: list[str] = []
        self.done: dict[str, asyncio.Event] = {}

    async def enter(self, name: str, *streams: UUID) -> "asyncio.Task[None]":
        """Begin to wait for the locks."""
        self.done[name] = asyncio.Event()

        async def hold() -> None:
            async with self.locks.hold(streams):
                self.holding.append(name)
                await self.done[name].wait()
                self.holding.remove(name)

        task = asyncio.create_task(hold())
        await settled()
        return task

    async def leave(self, name: str) -> None:
        """Let the locks go."""
        self.done[name].set()
        await settled()


async def settled() -> None:
    """Let every task go as far as it can."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_those_who_want_one_stream_hold_it_in_order_of_arrival() -> None:
    story = Story()
    for name in ("first", "second", "third"):
        await story.enter(name, ONE)
    for name in ("first", "second", "third"):
        assert story.holding == [name]
        await story.leave(name)
    assert story.holding == []


async def test_other_streams_are_not_held_up() -> None:
    story = Story()
    await story.enter("one", ONE)
    await story.enter("two", TWO, TWO)
    assert story.holding == ["one", "two"]
    await story.enter("both", TWO, ONE)
    await story.leave("one")
    assert story.holding == ["two"]
    await story.leave("two")
    assert story.holding == ["both"]


async def test_two_that_name_the_same_streams_in_another_order_do_not_wait_for_each_other_for_ever() -> None:
    story = Story()
    await story.enter("one", ONE)
    await story.enter("two", TWO)
    tasks = [await story.enter("a", ONE, TWO), await story.enter("b", TWO, ONE)]
    for name in ("a", "b", "one"):
        story.done[name].set()
    await story.leave("two")
    async with asyncio.timeout(5):
        await asyncio.gather(*tasks)


async def test_one_that_gives_up_waiting_holds_up_no_other() -> None:
    story = Story()
    await story.enter("first", ONE)
    gone = await story.enter("gone", ONE)
    await story.enter("last", ONE)
    gone.cancel()
    await story.leave("first")
    assert story.holding == ["last"]
