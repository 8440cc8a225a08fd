"""The published stream while relays, broker and consumers are killed under load: the short form of `make chaos`.

What is planted in a copy of what was published is found; poison among it holds up no read model.
"""

import asyncio
import dataclasses
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from uuid import uuid4

import pytest
from kafka import KafkaProducer
from msgspec.structs import replace

from infra.kafka.client import record_format
from infra.kafka.client.record_format import EventRecord
from infra.kafka.client.topics import Topics
from tests.chaos.house import House, open_house
from tests.chaos.report import figures_of, show
from tests.chaos.run import Outcome, customer, run
from tests.support import published, relaying
from tests.support.kafka import own_topics
from tests.support.published import Planned, swapped, without
from tests.support.stores import open_store

SECONDS = 12

Spoil = Callable[[list[Planned]], list[Planned]]


@dataclasses.dataclass(frozen=True)
class Ran:
    """A house whose parts were killed, what came of it, and what was published in it."""

    house: House
    outcome: Outcome
    records: dict[str, list[Planned]]

    def copy(self, spoil: Spoil) -> Topics:
        """The same records in other topics, those of the private one spoilt. Answers which topics."""
        assert self.house.brokers
        own, other = self.house.brokers.topics, own_topics(self.house.brokers.topics.partitions)
        spoilt = {**self.records, own.internal: spoil(self.records[own.internal])}
        renamed = dict(zip([*own.events(), *own.states()], [*other.events(), *other.states()], strict=True))
        moved = [replace(record, topic=renamed[topic]) for topic, records in spoilt.items() for record in records]
        published.send(self.house.brokers.clients, other, moved)
        return other


@pytest.fixture(scope="module")
def ran() -> Iterator[Ran]:
    """A short run with one broker."""
    with open_house(brokers=1) as house:
        outcome = run(house, random.SystemRandom().randrange(10**6), SECONDS)
        show(outcome)
        house.keep = bool(outcome.violations)
        assert house.brokers
        names = house.brokers.topics
        records = {topic: records_of(house, topic) for topic in [*names.events(), *names.states()]}
        yield Ran(house, outcome, records)


def records_of(house: House, topic: str) -> list[Planned]:
    assert house.brokers
    return [
        Planned(topic, record.partition, record.key, record.value, record.headers)
        for record in relaying.records_of(house.brokers.clients, topic)
    ]


@pytest.mark.chaos
def test_the_stream_says_what_the_log_says_whatever_is_killed(ran: Ran) -> None:
    assert ran.outcome.violations == []
    assert ran.outcome.stream
    assert ran.outcome.stream.events >= 100
    assert ran.outcome.kills.total() >= 1
    assert figures_of(ran.outcome)["appends acknowledged"] >= 50


def nothing(records: list[Planned]) -> list[Planned]:
    return records


def lose_one(records: list[Planned]) -> list[Planned]:
    return without(records, events_in(records)[40])


def swap_two_of_a_stream(records: list[Planned]) -> list[Planned]:
    seen: dict[bytes | None, int] = {}
    for at in events_in(records)[40:]:
        if records[at].key in seen:
            return swapped(records, seen[records[at].key], at)
        seen[records[at].key] = at
    raise AssertionError("no stream has two events")


def add_what_was_never_committed(records: list[Planned]) -> list[Planned]:
    at = events_in(records)[40]
    _, row = event_of(records[at])
    stranger = record_format.encode(replace(row, position=row.position + 1_000_000, stream_id=uuid4()), row.position)
    return [*records[: at + 1], replace(records[at], headers=stranger[2]), *records[at + 1 :]]


def events_in(records: Sequence[Planned]) -> list[int]:
    """Where records about events stand."""
    return [at for at, record in enumerate(records) if record.key is not None]


def event_of(record: Planned) -> tuple[int, record_format.EventRow]:
    event = record_format.decode(record.key, record.value, record.headers)
    assert isinstance(event, EventRecord)
    return event.previous, event.row


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (nothing, None),
        (lose_one, "missing"),
        (swap_two_of_a_stream, "reordered"),
        (add_what_was_never_committed, "phantom"),
    ],
)
def test_what_is_planted_in_the_stream_is_found(ran: Ran, spoil: Spoil, kind: str | None) -> None:
    assert ran.house.brokers
    report = ran.house.brokers.compare(ran.house.database_url, ran.copy(spoil), patience=0.0)
    assert (report.difference and report.difference.kind) == kind
    assert bool(dataclasses.replace(ran.outcome, stream=report).violations) is (kind is not None)


@pytest.mark.chaos
def test_poison_on_the_private_topic_holds_up_no_read_model_and_is_found(ran: Ran) -> None:
    brokers = ran.house.brokers
    assert brokers
    with closing(KafkaProducer(**brokers.clients)) as producer:
        poison = producer.send(
            brokers.topics.internal, b"\xff", key=b"poison", headers=[("event", b"{")], partition=0
        ).get(30)
    ran.house.heal()
    asyncio.run(register(ran.house.database_url, 20))
    ran.house.wait_for_projectors()
    report = brokers.compare(ran.house.database_url)
    ran.house.stop_roles()
    assert report.difference
    assert (report.difference.kind, report.difference.offset) == ("phantom", poison.offset)


async def register(url: str, count: int) -> None:
    """New users, so that every partition has news."""
    async with open_store(url) as opened:
        for n in range(count):
            await customer(opened, f"after the poison {n}")
