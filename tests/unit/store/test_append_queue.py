"""The append queue: appends that conflict keep their order, all others may share a batch."""

import asyncio
from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from infra.store.append_queue import MAX_BATCH_REQUESTS, AppendQueue, PendingAppend


class Request:
    """A request with conflict keys; the integers among them are streams, expected at `version`."""

    def __init__(self, *things: object, version: int = 0, size: int = 1, judged_by: int | None = None) -> None:
        self.things = things
        self.judged_by = {} if judged_by is None else {judged_by: version}
        self.expected = {thing: version for thing in things if isinstance(thing, int)}
        self._size = size

    def conflict_keys(self) -> Iterator[object]:
        yield from self.things

    def size(self) -> int:
        return self._size


def append(request: Request) -> PendingAppend[Request, str]:
    return PendingAppend(request, asyncio.Future(loop=LOOP))


LOOP = asyncio.new_event_loop()
A, B = 1, 2


def test_what_touches_nothing_in_common_goes_together() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    appends = [append(Request(n)) for n in range(5)]
    for each in appends:
        queue.add(each)
    assert queue.next_batch() == appends


def test_what_is_judged_by_a_stream_does_not_follow_its_writer_in_a_batch() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    before, writer = append(Request(B, judged_by=A)), append(Request(A))
    after, other, late = append(Request(3, judged_by=A)), append(Request(4, judged_by=B + 8)), append(Request(5))
    for each in (before, writer, after, other, late):
        queue.add(each)
    assert queue.next_batch() == [before, writer, other, late]
    assert queue.next_batch() == [after]


def test_what_touches_the_same_thing_waits_for_it_to_leave() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    first, second = append(Request("x", "y")), append(Request("y", "z"))
    queue.add(first)
    queue.add(second)
    assert queue.next_batch() == [first]
    assert queue.next_batch() == []
    queue.release(first)
    assert queue.next_batch() == [second]


def test_a_request_that_names_a_thing_twice_does_not_wait_for_itself() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    queue.add(append(Request("x", "x")))
    assert len(queue.next_batch()) == 1


def test_a_batch_is_bounded() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    for n in range(MAX_BATCH_REQUESTS + 1):
        queue.add(append(Request(n)))
    assert len(queue.next_batch(MAX_BATCH_REQUESTS + 1)) == MAX_BATCH_REQUESTS
    for n in range(3):
        queue.add(append(Request(f"large {n}", size=5_000_000)))
    assert len(queue.next_batch()) == 3


def test_those_with_an_older_version_in_mind_are_overtaken() -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    winner, late, elsewhere, fresh = (
        append(Request(A, version=4)),
        append(Request(A, B, version=4)),
        append(Request(B, version=4)),
        append(Request(A, version=5)),
    )
    for each in (winner, late, elsewhere, fresh):
        queue.add(each)
    assert queue.next_batch() == [winner]
    assert queue.stale_after(winner, lambda _: 5) == [late]
    queue.release(late)
    queue.release(winner)
    assert queue.next_batch() == [elsewhere, fresh]


@given(st.lists(st.sets(st.integers(0, 5), min_size=1, max_size=3), max_size=40), st.randoms())
def test_whatever_comes_each_goes_once_in_order_and_never_beside_what_it_touches(
    requests: list[set[int]], random: "object"
) -> None:
    queue: AppendQueue[Request, str] = AppendQueue()
    appends = [append(Request(*things)) for things in requests]
    for each in appends:
        queue.add(each)
    gone: list[PendingAppend[Request, str]] = []
    while batch := queue.next_batch():
        things = [thing for each in batch for thing in each.conflict_keys]
        assert len(things) == len(set(things))
        random.shuffle(batch)  # type: ignore[attr-defined]
        for each in batch:
            queue.release(each)
        gone += batch
    assert len(gone) == len(appends)
    for thing in range(6):
        assert [e for e in gone if thing in e.conflict_keys] == [e for e in appends if thing in e.conflict_keys]
