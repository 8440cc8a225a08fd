"""The writer's line: what touches the same thing keeps its order, and all else goes together."""

import asyncio
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from infra.store.append_queue import MOST_REQUESTS, AppendQueue, PendingAppend


class Touching:
    """A request that touches things, and was decided on `version` of the streams among them."""

    def __init__(self, *things: object, version: int = 0, size: int = 1) -> None:
        self.things = things
        self.expected = {thing: version for thing in things if isinstance(thing, int)}
        self._size = size

    def touches(self) -> Iterator[object]:
        yield from self.things

    def size(self) -> int:
        return self._size


def entry(request: Touching) -> PendingAppend[Touching, str]:
    return PendingAppend(request, asyncio.Future(loop=LOOP))


LOOP = asyncio.new_event_loop()
A, B = 1, 2


def test_what_touches_nothing_in_common_goes_together() -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    entries = [entry(Touching(n)) for n in range(5)]
    for each in entries:
        line.add(each)
    assert line.take() == entries


def test_what_touches_the_same_thing_waits_for_it_to_leave() -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    first, second = entry(Touching("x", "y")), entry(Touching("y", "z"))
    line.add(first)
    line.add(second)
    assert line.take() == [first]
    assert line.take() == []
    line.leave(first)
    assert line.take() == [second]


def test_a_request_that_names_a_thing_twice_does_not_wait_for_itself() -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    line.add(entry(Touching("x", "x")))
    assert len(line.take()) == 1


def test_a_batch_is_bounded() -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    for n in range(MOST_REQUESTS + 1):
        line.add(entry(Touching(n)))
    assert len(line.take(MOST_REQUESTS + 1)) == MOST_REQUESTS
    for n in range(3):
        line.add(entry(Touching(f"large {n}", size=5_000_000)))
    assert len(line.take()) == 3


def test_those_with_an_older_version_in_mind_are_overtaken() -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    winner, late, elsewhere, fresh = (
        entry(Touching(A, version=4)),
        entry(Touching(A, B, version=4)),
        entry(Touching(B, version=4)),
        entry(Touching(A, version=5)),
    )
    for each in (winner, late, elsewhere, fresh):
        line.add(each)
    assert line.take() == [winner]
    assert line.overtaken(winner, lambda _: 5) == [late]
    line.leave(late)
    line.leave(winner)
    assert line.take() == [elsewhere, fresh]


@given(st.lists(st.sets(st.integers(0, 5), min_size=1, max_size=3), max_size=40), st.randoms())
def test_whatever_comes_each_goes_once_in_order_and_never_beside_what_it_touches(
    requests: list[set[int]], random: "object"
) -> None:
    line: AppendQueue[Touching, str] = AppendQueue()
    entries = [entry(Touching(*things)) for things in requests]
    for each in entries:
        line.add(each)
    gone: list[PendingAppend[Touching, str]] = []
    while batch := line.take():
        things = [thing for each in batch for thing in each.touches]
        assert len(things) == len(set(things))
        random.shuffle(batch)  # type: ignore[attr-defined]
        for each in batch:
            line.leave(each)
        gone += batch
    assert len(gone) == len(entries)
    for thing in range(6):
        assert [e for e in gone if thing in e.touches] == [e for e in entries if thing in e.touches]
