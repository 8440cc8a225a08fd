"""Retries of a stream in quarantine: which of its events are applied, and what is stored if one fails again."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import pytest

from application.ports import RecordedEvent
from infra.projector import quarantine
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.quarantine import NotInQuarantine, retry_stream
from projections.kernel import Poison
from tests.support import memory_projector
from tests.support.notes import Notes, note
from tests.support.projecting import MemoryFeed, news

STREAM = UUID(int=1)


@dataclass
class Consumer:
    """A consumer that fails at the positions `bad`, and keeps the positions of each batch."""

    bad: Collection[int] = ()
    name: str = "notes"
    batches: list[list[int]] = field(default_factory=list)

    async def apply_carefully(self, _: object, events: Sequence[RecordedEvent]) -> list[Poison]:
        self.batches.append([event.position for event in events])
        return [Poison(event.stream_id, event.position, "KeyError") for event in events if event.position in self.bad]


@dataclass
class Stored:
    """The checkpoint of a consumer at `position`, with a stream in quarantine since its event at `failed_at`."""

    position: int
    failed_at: int | None = 2
    name: str = "notes"
    calls: list[tuple[Any, ...]] = field(default_factory=list)

    async def lock(self, _: object, names: Iterable[str]) -> dict[str, Checkpoint]:
        assert list(names) == ["notes"]
        return {self.name: Checkpoint(self.name, 1, self.position, frozenset({STREAM}))}

    async def release(self, _: object, name: str, stream_id: UUID) -> int | None:
        self.calls.append(("release", name, stream_id))
        return self.failed_at

    async def skip(self, _: object, name: str, position: int, stream_id: UUID) -> None:
        self.calls.append(("skip", name, position, stream_id))

    async def quarantine(self, _: object, name: str, poisons: Sequence[Poison]) -> None:
        self.calls.append(("quarantine", name, list(poisons)))


class Opened(memory_projector.Connection):
    """A connection that is closed at the end of its block."""

    closed = False

    async def __aenter__(self) -> "Opened":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The connection of the retry."""
    connection = Opened()

    async def connect(url: str) -> Opened:
        assert url == "url"
        return connection

    monkeypatch.setattr(quarantine, "connect", connect)
    return connection


def log(page: int = 2**62) -> MemoryFeed:
    """Seven events: those of the stream are at 1, 2, 3, 6 and 7."""
    written = news(note(1, "a", "b"), note(2, "a"), note(1, "a", "b", "c", "d"))
    return MemoryFeed(written[:5] + written[-2:], page)


async def retried(consumer: Consumer, stored: Stored, feed: MemoryFeed, **options: Any) -> Poison | None:
    return await retry_stream(cast(Any, consumer), cast(Any, stored), STREAM, feed, "url", **options)


@pytest.mark.parametrize(("position", "batches"), [(7, [[2, 3, 6, 7]]), (6, [[2, 3, 6]]), (2, [[2]])])
async def test_a_retry_applies_what_the_consumer_has_passed_without_the_stream(
    opened: Opened, position: int, batches: list[list[int]]
) -> None:
    consumer, stored = Consumer(), Stored(position)
    assert await retried(consumer, stored, log()) is None
    assert (consumer.batches, stored.calls) == (batches, [("release", "notes", STREAM)])
    assert opened.closed


@pytest.mark.parametrize("options", [{"page": 1}, {"batch_size": 1}])
@pytest.mark.usefixtures("opened")
async def test_a_retry_goes_on_until_every_event_is_applied_once(options: dict[str, int]) -> None:
    consumer, feed = Consumer(), log(options.pop("page", 2**62))
    assert await retried(consumer, Stored(7), feed, **options) is None
    assert consumer.batches == [[2], [3], [6], [7]]


@pytest.mark.usefixtures("opened")
async def test_an_event_that_fails_again_keeps_the_stream_in_quarantine_from_there() -> None:
    consumer, stored = Consumer(bad=(3,)), Stored(7)
    poison = Poison(STREAM, 3, "KeyError")
    assert await retried(consumer, stored, log(), batch_size=2) == poison
    assert consumer.batches == [[2, 3]]
    assert stored.calls[1:] == [("quarantine", "notes", [poison])]


@pytest.mark.usefixtures("opened")
async def test_a_skipped_event_is_noted_and_left_out() -> None:
    consumer, stored = Consumer(bad=(2,)), Stored(7)
    assert await retried(consumer, stored, log(), skip=True) is None
    assert consumer.batches == [[3, 6, 7]]
    assert stored.calls[1:] == [("skip", "notes", 2, STREAM)]


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("stored", [Stored(7, failed_at=None), Stored(7, name="another")])
async def test_a_stream_that_is_not_in_quarantine_is_refused(stored: Stored) -> None:
    consumer = Consumer()
    with pytest.raises(NotInQuarantine, match="notes"):
        await retried(consumer, stored, log(), skip=True)
    assert (consumer.batches, [call[0] for call in stored.calls]) == ([], ["release"])


async def test_a_read_model_is_retried_with_its_own_table_and_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []

    async def noted(consumer: Any, *more: object, **options: object) -> None:
        found.extend([consumer.name, *more, options])

    monkeypatch.setattr(quarantine, "retry_stream", noted)
    feed, common = log(), ("notes", PROJECTIONS, STREAM)
    await quarantine.retry(Notes(), STREAM, feed, "url")
    await quarantine.retry(Notes(), STREAM, feed, "url", skip=True)
    assert found == [*common, feed, "url", {"skip": False}, *common, feed, "url", {"skip": True}]
