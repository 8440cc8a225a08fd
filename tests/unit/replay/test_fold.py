"""Folding whole streams, in any order."""

import random
from collections.abc import AsyncIterator, Sequence

from hypothesis import given
from hypothesis import strategies as st

from application.ports import RecordedEvent
from infra.replay.digest_fold import DigestTarget
from infra.replay.fold import fold_streams
from projections.kernel import ReadModel
from tests.support.notes import Notes, note
from tests.support.projecting import news
from tests.support.totals import LineTotals

LINES = st.lists(st.sampled_from(["a", "bb", "!raise"]), max_size=4)


async def folded(model: ReadModel, streams: Sequence[Sequence[RecordedEvent]], size: int = 1) -> object:
    """What a certificate says of the model after these streams, `size` in a batch."""

    async def batches() -> AsyncIterator[list[RecordedEvent]]:
        for start in range(0, len(streams), size):
            yield [event for stream in streams[start : start + size] for event in stream]

    target = DigestTarget(model)
    await fold_streams(batches(), [target], 0)
    return target.certified()


@given(st.lists(LINES, max_size=6), st.randoms(use_true_random=False), st.integers(1, 7))
async def test_streams_may_come_in_any_order(notes: list[list[str]], chance: random.Random, size: int) -> None:
    roots = [note(number, *lines) for number, lines in enumerate(notes, 1)]
    events = news(*roots)
    chance.shuffle(events)
    in_log = sorted(events, key=lambda event: event.version)
    positions = {id(event): position for position, event in enumerate(in_log, 1)}
    streams = [[event for event in in_log if event.stream_id == root.id] for root in roots]
    placed = [[_at(event, positions[id(event)]) for event in stream] for stream in streams]
    mixed = list(placed)
    chance.shuffle(mixed)
    for model in (Notes(), LineTotals()):
        assert await folded(model, mixed, size) == await folded(model, placed, 100)


def _at(event: RecordedEvent, position: int) -> RecordedEvent:
    return RecordedEvent(
        position,
        event.stream_id,
        event.version,
        event.topic,
        event.recorded_at,
        event.actor_id,
        event.data,
    )


async def test_a_stream_that_cannot_be_folded_is_counted() -> None:
    found = await folded(Notes(), [news(note(1, "a", "!raise", "b")), news(note(2, "a"))])
    assert (found.rows, found.quarantined) == (2, 1)  # type: ignore[attr-defined]


async def test_the_progress_counts_events() -> None:
    told: list[tuple[int, int]] = []

    async def batches() -> AsyncIterator[list[RecordedEvent]]:
        yield news(note(1, "a"))
        yield news(note(2))

    await fold_streams(batches(), [DigestTarget(Notes())], 3, lambda done, goal: told.append((done, goal)))
    assert told == [(2, 3), (3, 3)]
