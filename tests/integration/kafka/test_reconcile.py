"""Store and topics are compared: what is planted is found, and called by its name."""

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


@pytest.fixture(scope="module")
def lived(cluster: Cluster) -> Iterator[tuple[str, History]]:
    """A log that nobody changes, and what it came to."""
    with cluster.database() as database:
        yield database.app_url, published.live(database.app_url, 150)


class House:
    """A log, and topics that hold what a test says."""

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
        """Send everything, but for what is given as it is given."""
        given = (private, self.private), (public, self.public), (states, self.states)
        records = chain(*(own if other is None else other for other, own in given))
        send(self.kafka, self.topics, records)

    def reconcile(self, first: int = 1, last: int | None = None, patience: float = 0.0) -> Report:
        """Compare."""
        gone = published.gone(self.history)
        return reconcile(self.url, self.kafka, self.topics, gone, first=first, last=last, patience=patience)

    def nth_event(self, n: int, records: Sequence[Planned]) -> int:
        """Where the nth record that is about an event stands in the list."""
        return [at for at, record in enumerate(records) if record.stream_id][n]

    def neighbours(self, records: Sequence[Planned]) -> tuple[int, int]:
        """Where two records of one stream stand that follow each other in it."""
        seen: dict[object, int] = {}
        for at, record in enumerate(records):
            if record.stream_id in seen and record.position > 40:
                return seen[record.stream_id], at
            if record.stream_id:
                seen[record.stream_id] = at
        raise AssertionError("no stream has two events")


@pytest.fixture
def house(lived: tuple[str, History], kafka: EmbeddedKafka, monkeypatch: pytest.MonkeyPatch) -> House:
    """Compared in many ranges."""
    monkeypatch.setattr(event_comparison, "RANGE", 23)
    return House(*lived, kafka)


def told(report: Report) -> tuple[str, str, int | None]:
    """What is wrong, in which topic, at which position."""
    assert report.difference is not None
    return report.difference.kind, report.difference.topic.split(".", 1)[1], report.difference.position


@pytest.mark.parametrize("size", [23, 10_000])
def test_topics_that_hold_what_the_store_holds_are_in_order(
    house: House, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_comparison, "RANGE", size)
    house.publish()
    report = house.reconcile()
    assert report.difference is None
    assert report.counts[house.topics.internal].events == len(house.log)
    assert sum(report.counts[topic].events for topic in house.topics.events()[1:]) == len(house.public)
    assert all(each.store == each.topics for each in report.ranges)
    assert report.counts[house.topics.internal].watermarks > 0


def test_a_topic_that_is_far_ahead_of_the_others_waits_for_them(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ordered_reader, "MOST_WAITING", 3)
    monkeypatch.setattr(ordered_reader, "MOST_POLLED", 7)
    house.publish()
    assert house.reconcile().difference is None


def test_a_loss_is_named(house: House) -> None:
    house.publish(private=without(house.private, house.nth_event(70, house.private)))
    report = house.reconcile()
    assert told(report) == ("missing", "internal.events.v1", 71)
    assert any(each.store != each.topics for each in report.ranges)


def test_a_loss_at_the_end_is_named(house: House) -> None:
    house.publish(private=without(house.private, house.nth_event(-1, house.private)))
    assert told(house.reconcile()) == ("missing", "internal.events.v1", len(house.log))


def test_two_events_of_a_stream_in_each_others_place_are_named(house: House) -> None:
    n, m = house.neighbours(house.private)
    house.publish(private=swapped(house.private, n, m))
    assert told(house.reconcile()) == ("reordered", "internal.events.v1", house.private[n].position)


def test_an_event_that_was_never_committed_is_named(house: House) -> None:
    row = replace(house.log[9], position=len(house.log) + 1000, event_id=uuid4())
    at = house.nth_event(30, house.private)
    phantom = house.private[house.nth_event(9, house.private)]
    planted = replace(phantom, headers=encode(row, 0)[2])
    house.publish(private=[*house.private[:at], planted, *house.private[at:]])
    assert told(house.reconcile()) == ("phantom", "internal.events.v1", row.position)


def test_an_event_beyond_the_last_committed_one_is_named(house: House) -> None:
    row = replace(house.log[9], position=len(house.log) + 1, event_id=uuid4())
    planted = replace(house.private[house.nth_event(9, house.private)], headers=encode(row, 0)[2])
    house.publish(private=[*house.private, planted])
    assert told(house.reconcile()) == ("phantom", "internal.events.v1", len(house.log) + 1)


def test_a_record_that_is_nobodys_is_named(house: House) -> None:
    junk = Planned(house.topics.internal, 1, b"key", b"value", [("event", b"{")])
    house.publish(private=[*house.private, junk])
    assert told(house.reconcile()) == ("phantom", "internal.events.v1", None)


def test_a_changed_event_is_named(house: House) -> None:
    at = house.nth_event(50, house.private)
    changed = replace(house.private[at], value=b"other")
    house.publish(private=[*house.private[:at], changed, *house.private[at + 1 :]])
    assert told(house.reconcile()) == ("changed", "internal.events.v1", 51)


def test_an_event_in_a_foreign_partition_is_named(house: House) -> None:
    at = house.nth_event(50, house.private)
    moved = replace(house.private[at], partition=(house.private[at].partition + 1) % 3)
    house.publish(private=[*house.private[:at], moved, *house.private[at + 1 :]])
    assert told(house.reconcile()) == ("misplaced", "internal.events.v1", 51)


def test_a_watermark_before_an_event_that_it_covers_is_named(house: House) -> None:
    mark = next(at for at, record in enumerate(house.private) if not record.stream_id)
    before = max(
        at
        for at, record in enumerate(house.private[:mark])
        if record.partition == house.private[mark].partition and record.stream_id
    )
    house.publish(private=swapped(house.private, before, mark))
    assert told(house.reconcile()) == ("watermark", "internal.events.v1", house.private[before].position)


def test_repeats_are_counted_and_no_fault(house: House) -> None:
    half, some = len(house.private) // 2, len(house.public) // 2
    house.publish(
        private=[*house.private[:half], *house.private[half - 40 :], *house.private[-20:]],
        public=[*house.public[:some], *house.public[some - 30 :]],
    )
    report = house.reconcile()
    assert report.difference is None
    again = [record for record in [*house.private[half - 40 : half], *house.private[-20:]] if record.stream_id]
    assert report.counts[house.topics.internal].repeats == len(again)
    assert sum(report.counts[topic].repeats for topic in house.topics.events()[1:]) == 30


def test_a_repeat_that_says_something_else_is_named(house: House) -> None:
    at = house.nth_event(10, house.private)
    house.publish(private=[*house.private, replace(house.private[at], value=b"other")])
    assert told(house.reconcile()) == ("changed", "internal.events.v1", 11)


def test_a_loss_in_a_public_topic_is_named(house: House) -> None:
    lost = house.public[40]
    house.publish(public=without(house.public, 40))
    assert told(house.reconcile()) == ("missing", lost.topic.split(".", 1)[1], lost.position)


def test_events_of_a_public_stream_in_each_others_place_are_named(house: House) -> None:
    n, m = house.neighbours(house.public)
    house.publish(public=swapped(house.public, n, m))
    assert told(house.reconcile())[::2] == ("reordered", house.public[n].position)


def test_what_is_not_there_yet_is_waited_for(house: House) -> None:
    house.publish(private=house.private[:-30], public=house.public[:-10])
    assert house.reconcile().difference is not None
    house.publish(private=house.private[-30:], public=house.public[-10:], states=[])
    assert house.reconcile(patience=10).difference is None


def test_what_comes_while_it_compares_is_seen_without_patience(house: House) -> None:
    house.publish(private=house.private[:-30], public=house.public[:-10])

    def go_on(done: int, _: int) -> None:
        if done == event_comparison.RANGE:
            house.publish(private=house.private[-30:], public=house.public[-10:], states=[])

    gone = published.gone(house.history)
    assert reconcile(house.url, house.kafka, house.topics, gone, progress=go_on).difference is None


def test_a_part_of_the_log_is_compared_by_itself(house: House) -> None:
    house.publish(private=without(house.private, house.nth_event(20, house.private)))
    assert house.reconcile(first=22).difference is None
    assert house.reconcile(first=30, last=60).counts[house.topics.internal].events == 31
    assert told(house.reconcile(first=10)) == ("missing", "internal.events.v1", 21)


def test_topics_that_are_not_there_lack_everything(house: House) -> None:
    assert told(house.reconcile()) == ("missing", "internal.events.v1", 1)


@pytest.mark.parametrize("most", [500_000, 40])
def test_a_missing_state_is_named(house: House, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_comparison, "MOST_STREAMS", most)
    at = next(n for n, record in enumerate(house.states) if record.value and "document" in record.topic)
    house.publish(states=without(house.states, at))
    kind, topic, _ = told(house.reconcile())
    assert (kind, topic) == ("missing", "document.state.v1")


def test_a_state_that_was_overtaken_is_named(house: House) -> None:
    at = next(n for n, record in enumerate(house.states) if record.value)
    old = dict(house.states[at].headers) | {"ce_streamversion": b"0"}
    late = replace(house.states[at], headers=list(old.items()))
    house.publish(states=[*house.states, late])
    assert told(house.reconcile())[0] == "stale"


def test_a_state_that_was_never_committed_is_named(house: House) -> None:
    at = next(n for n, record in enumerate(house.states) if record.value)
    new = dict(house.states[at].headers) | {"ce_streamversion": b"99"}
    house.publish(states=[*house.states, replace(house.states[at], headers=list(new.items()))])
    assert told(house.reconcile())[0] == "phantom"
    key = str(uuid4()).encode()
    house.publish(private=[], public=[], states=[house.states[at], replace(house.states[at], key=key, partition=0)])
    assert told(house.reconcile())[0] == "phantom"
