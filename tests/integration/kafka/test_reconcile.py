"""Reconcile finds each planted difference and reports its kind."""

from collections.abc import Iterator, Sequence
from itertools import chain
from uuid import uuid4

import pytest
from msgspec.structs import replace

from infra.kafka.client import ordered_reader
from infra.kafka.client.record_format import EventRow, encode
from infra.kafka.reconcile import event_comparison, state_comparison
from infra.kafka.reconcile.differences import Report
from infra.kafka.reconcile.reconcile import reconcile
from infra.local.servers.kafka import EmbeddedKafka
from tests.support import published
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.published import Planned, private, public, send, swapped, without
from tests.support.servers import Cluster
from tests.support.stores import STAMPS


@pytest.fixture(scope="module")
def lived(cluster: Cluster) -> Iterator[tuple[str, History]]:
    """A log that no test changes, and its aggregates."""
    with cluster.database() as database:
        yield database.app_url, published.live(database.app_url, 150)


class Scene:
    """A log, and topics that hold what a test publishes."""

    def __init__(self, url: str, history: History, kafka: EmbeddedKafka) -> None:
        self.url = url
        self.kafka = {"bootstrap_servers": kafka.address}
        self.topics = own_topics(partitions=3)
        self.history = history
        self.log: Sequence[EventRow] = published.rows(self.url)
        self.private = list(private(self.log, self.topics))
        self.public = list(public(self.log, self.topics))
        self.states = list(published.states(self.history, self.topics, len(self.log)))

    def publish(
        self,
        private: Sequence[Planned] | None = None,
        public: Sequence[Planned] | None = None,
        states: Sequence[Planned] | None = None,
    ) -> None:
        """Send all records; given lists replace the correct ones."""
        given = (private, self.private), (public, self.public), (states, self.states)
        records = chain(*(own if other is None else other for other, own in given))
        send(self.kafka, self.topics, records)

    def reconcile(self, first: int = 1, last: int | None = None, timeout: float = 0.0) -> Report:
        """Compare log and topics."""
        closed = published.find_closed(self.history)
        return reconcile(self.url, self.kafka, self.topics, STAMPS, closed, first=first, last=last, timeout=timeout)

    def nth_event(self, n: int, records: Sequence[Planned]) -> int:
        """The index of the nth record of an event."""
        return [at for at, record in enumerate(records) if record.stream_id][n]

    def neighbours(self, records: Sequence[Planned]) -> tuple[int, int]:
        """The indexes of two consecutive records of one stream."""
        seen: dict[object, int] = {}
        for at, record in enumerate(records):
            if record.stream_id in seen and record.position > 40:
                return seen[record.stream_id], at
            if record.stream_id:
                seen[record.stream_id] = at
        raise AssertionError("no stream has two events")


@pytest.fixture
def scene(lived: tuple[str, History], kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Log and topics, compared in many small ranges."""
    monkeypatch.setattr(event_comparison, "RANGE", 23)
    return Scene(*lived, kafka)


def first_difference(report: Report) -> tuple[str, str, int | None]:
    """Kind, topic and position of the first difference."""
    assert report.difference is not None
    return report.difference.kind, report.difference.topic.split(".", 1)[1], report.difference.position


@pytest.mark.parametrize(("events", "size", "ranges"), [(23, 2**40, 23), (10_000, 2**40, 10_000), (10_000, 1, 1)])
def test_h3_topics_that_hold_what_the_store_holds_have_no_difference(
    scene: Scene, events: int, size: int, ranges: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_comparison, "RANGE", events)
    monkeypatch.setattr(event_comparison, "PAGE_BYTES", size)
    scene.publish()
    report = scene.reconcile()
    assert len(report.ranges) == -(-len(scene.log) // ranges)
    assert report.difference is None
    assert report.counts[scene.topics.internal].events == len(scene.log)
    assert sum(report.counts[topic].events for topic in scene.topics.events()[1:]) == len(scene.public)
    assert all(each.store == each.topics for each in report.ranges)
    assert report.counts[scene.topics.internal].watermarks > 0


def test_a_topic_that_is_far_ahead_of_the_others_waits_for_them(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_reader, "MAX_BUFFERED", 3)
    monkeypatch.setattr(ordered_reader, "MAX_POLL_RECORDS", 7)
    scene.publish()
    assert scene.reconcile().difference is None


def test_a_loss_is_named(scene: Scene) -> None:
    scene.publish(private=without(scene.private, scene.nth_event(70, scene.private)))
    report = scene.reconcile()
    assert first_difference(report) == ("missing", "internal.events.v1", 71)
    assert any(each.store != each.topics for each in report.ranges)


def test_a_loss_at_the_end_is_named(scene: Scene) -> None:
    scene.publish(private=without(scene.private, scene.nth_event(-1, scene.private)))
    assert first_difference(scene.reconcile()) == ("missing", "internal.events.v1", len(scene.log))


def test_two_events_of_a_stream_in_exchanged_order_are_named(scene: Scene) -> None:
    n, m = scene.neighbours(scene.private)
    scene.publish(private=swapped(scene.private, n, m))
    assert first_difference(scene.reconcile()) == ("reordered", "internal.events.v1", scene.private[n].position)


def test_an_event_that_was_never_committed_is_named(scene: Scene) -> None:
    row = replace(scene.log[9], position=len(scene.log) + 1000, stream_id=uuid4())
    at = scene.nth_event(30, scene.private)
    phantom = scene.private[scene.nth_event(9, scene.private)]
    planted = replace(phantom, headers=encode(row, 0)[2])
    scene.publish(private=[*scene.private[:at], planted, *scene.private[at:]])
    assert first_difference(scene.reconcile()) == ("phantom", "internal.events.v1", row.position)


def test_an_event_beyond_the_last_committed_one_is_named(scene: Scene) -> None:
    row = replace(scene.log[9], position=len(scene.log) + 1, stream_id=uuid4())
    planted = replace(scene.private[scene.nth_event(9, scene.private)], headers=encode(row, 0)[2])
    scene.publish(private=[*scene.private, planted])
    assert first_difference(scene.reconcile()) == ("phantom", "internal.events.v1", len(scene.log) + 1)


def test_a_foreign_record_is_named(scene: Scene) -> None:
    junk = Planned(scene.topics.internal, 1, b"key", b"value", [("event", b"{")])
    scene.publish(private=[*scene.private, junk])
    assert first_difference(scene.reconcile()) == ("phantom", "internal.events.v1", None)


def test_a_changed_event_is_named(scene: Scene) -> None:
    at = scene.nth_event(50, scene.private)
    changed = replace(scene.private[at], value=b"other")
    scene.publish(private=[*scene.private[:at], changed, *scene.private[at + 1 :]])
    assert first_difference(scene.reconcile()) == ("changed", "internal.events.v1", 51)


def test_an_event_in_a_foreign_partition_is_named(scene: Scene) -> None:
    at = scene.nth_event(50, scene.private)
    moved = replace(scene.private[at], partition=(scene.private[at].partition + 1) % 3)
    scene.publish(private=[*scene.private[:at], moved, *scene.private[at + 1 :]])
    assert first_difference(scene.reconcile()) == ("misplaced", "internal.events.v1", 51)


def test_a_watermark_before_an_event_that_it_covers_is_named(scene: Scene) -> None:
    mark = next(at for at, record in enumerate(scene.private) if not record.stream_id)
    before = max(
        at
        for at, record in enumerate(scene.private[:mark])
        if record.partition == scene.private[mark].partition and record.stream_id
    )
    scene.publish(private=swapped(scene.private, before, mark))
    assert first_difference(scene.reconcile()) == ("watermark", "internal.events.v1", scene.private[before].position)


def test_repeats_are_counted_and_no_fault(scene: Scene) -> None:
    half, some = len(scene.private) // 2, len(scene.public) // 2
    scene.publish(
        private=[*scene.private[:half], *scene.private[half - 40 :], *scene.private[-20:]],
        public=[*scene.public[:some], *scene.public[some - 30 :]],
    )
    report = scene.reconcile()
    assert report.difference is None
    again = [record for record in [*scene.private[half - 40 : half], *scene.private[-20:]] if record.stream_id]
    assert report.counts[scene.topics.internal].repeats == len(again)
    assert sum(report.counts[topic].repeats for topic in scene.topics.events()[1:]) == 30


def test_a_repeat_with_other_content_is_named(scene: Scene) -> None:
    at = scene.nth_event(10, scene.private)
    scene.publish(private=[*scene.private, replace(scene.private[at], value=b"other")])
    assert first_difference(scene.reconcile()) == ("changed", "internal.events.v1", 11)


def test_a_loss_in_a_public_topic_is_named(scene: Scene) -> None:
    lost = scene.public[40]
    scene.publish(public=without(scene.public, 40))
    assert first_difference(scene.reconcile()) == ("missing", lost.topic.split(".", 1)[1], lost.position)


def test_events_of_a_public_stream_in_exchanged_order_are_named(scene: Scene) -> None:
    n, m = scene.neighbours(scene.public)
    scene.publish(public=swapped(scene.public, n, m))
    assert first_difference(scene.reconcile())[::2] == ("reordered", scene.public[n].position)


def test_records_that_come_later_are_waited_for(scene: Scene) -> None:
    scene.publish(private=scene.private[:-30], public=scene.public[:-10])
    assert scene.reconcile().difference is not None
    scene.publish(private=scene.private[-30:], public=scene.public[-10:], states=[])
    assert scene.reconcile(timeout=10).difference is None


def test_records_that_come_during_the_comparison_are_seen_without_a_timeout(scene: Scene) -> None:
    scene.publish(private=scene.private[:-30], public=scene.public[:-10])

    def go_on(done: int, _: int) -> None:
        if done == event_comparison.RANGE:
            scene.publish(private=scene.private[-30:], public=scene.public[-10:], states=[])

    closed = published.find_closed(scene.history)
    assert reconcile(scene.url, scene.kafka, scene.topics, STAMPS, closed, progress=go_on).difference is None


def test_a_part_of_the_log_is_compared_by_itself(scene: Scene) -> None:
    scene.publish(private=without(scene.private, scene.nth_event(20, scene.private)))
    assert scene.reconcile(first=22).difference is None
    assert scene.reconcile(first=30, last=60).counts[scene.topics.internal].events == 31
    assert first_difference(scene.reconcile(first=10)) == ("missing", "internal.events.v1", 21)


def test_missing_topics_lack_every_event(scene: Scene) -> None:
    assert first_difference(scene.reconcile()) == ("missing", "internal.events.v1", 1)


@pytest.mark.parametrize("most", [500_000, 40])
def test_a_missing_state_is_named(scene: Scene, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_comparison, "MAX_STREAMS", most)
    at = next(n for n, record in enumerate(scene.states) if record.value and "document" in record.topic)
    scene.publish(states=without(scene.states, at))
    kind, topic, _ = first_difference(scene.reconcile())
    assert (kind, topic) == ("missing", "document.state.v1")


def test_an_outdated_state_is_named(scene: Scene) -> None:
    at = next(n for n, record in enumerate(scene.states) if record.value)
    old = dict(scene.states[at].headers) | {"ce_streamversion": b"0"}
    late = replace(scene.states[at], headers=list(old.items()))
    scene.publish(states=[*scene.states, late])
    assert first_difference(scene.reconcile())[0] == "stale"


def test_a_state_that_was_never_committed_is_named(scene: Scene) -> None:
    at = next(n for n, record in enumerate(scene.states) if record.value)
    new = dict(scene.states[at].headers) | {"ce_streamversion": b"99"}
    scene.publish(states=[*scene.states, replace(scene.states[at], headers=list(new.items()))])
    assert first_difference(scene.reconcile())[0] == "phantom"
    key = str(uuid4()).encode()
    scene.publish(private=[], public=[], states=[scene.states[at], replace(scene.states[at], key=key, partition=0)])
    assert first_difference(scene.reconcile())[0] == "phantom"
