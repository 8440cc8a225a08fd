"""The relay: a backlog of events into Kafka, each as two records, a private and a public one; and how soon they show.

The peer is kafka-python's own producer, idempotent, in its best setting, sending one record an event: the private one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from statistics import median
from threading import Event, Thread
from time import perf_counter
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from adapters.integration_events.cloudevents import CloudEvents
from infra.bootstrap.lifetime import cancelled
from infra.bootstrap.relay import publish
from infra.bootstrap.write_side import WriteSide
from infra.kafka.client import record_format, topics
from infra.kafka.client.record_format import EventRow
from infra.kafka.client.topics import Topics
from infra.store.log_rows import EVENT_COLUMNS
from tests.bench import ours, processes, visible
from tests.bench.fill import fill
from tests.bench.harness import Bench, Row, against, below, told
from tests.support.kafka import own_kafka
from tests.support.metrics import sample
from tests.support.servers import Database, open_folder, own_redis

VERSIONS = 10
ENOUGH = 10_000
"""Events a second that suffice, however fast the peer is."""
REACH = 0.7
RATE, SECONDS, SETTLING_SECONDS = visible.RATE, 30.0, 3.0
LIMIT = 150

ROWS = f"SELECT {EVENT_COLUMNS} FROM stored_events ORDER BY notification_id"

prefixes = (f"bench{number}" for number in count(1))


def rows(bench: Bench) -> Iterator[Row]:
    """A backlog, then single appends as they come."""
    with own_kafka() as broker:
        kafka = {"bootstrap_servers": broker.address}
        yield _backlog(bench, kafka)
        yield from _live(bench, kafka)


def _backlog(bench: Bench, kafka: dict[str, Any]) -> Row:
    with bench.database() as database, ours.opened(database, "relay") as own:
        documents = bench.count(3_000)
        fill(own.core, database.admin_url, documents, VERSIONS)
        records = [record_format.encode(row, row.position - 1) for row in _stored(database)]
        mine, theirs = bench.in_turns(
            lambda: own(relay, kafka, documents * VERSIONS), lambda: send(kafka, records, ours_topics())
        )
    row = against("relay, two records an event (or 10,000/s)", "events/s", mine, theirs, reach=REACH)
    return Row(row.name, row.ours, row.peer, row.unit, row.ratio, row.reach, bool(row.held) or median(mine) >= ENOUGH)


def ours_topics() -> Topics:
    """Topics that no other run has used."""
    return Topics(next(prefixes))


def _stored(database: Database) -> list[EventRow]:
    with psycopg.connect(database.admin_url) as connection:
        return [EventRow(*row) for row in connection.execute(ROWS)]


async def relay(core: WriteSide, kafka: dict[str, Any], head: int) -> float:
    """Events a second, from when the relay leads, with its topics made, to the acknowledgement of the last event."""
    before = _published()
    running = asyncio.create_task(
        publish(core.url, core.database, core.keyring, core.store, kafka, ours_topics(), CloudEvents())
    )
    await asyncio.to_thread(processes.wait_until, _leads, "the relay leads")
    started = perf_counter()
    await asyncio.to_thread(processes.wait_until, lambda: _published() >= before + head, "all is published")
    seconds = perf_counter() - started
    await cancelled(running)
    return head / seconds


def _leads() -> bool:
    return bool(sample("palimpsest_relay_leading"))


def _published() -> float:
    return sample("palimpsest_relay_published_total") or 0


def send(kafka: dict[str, Any], records: list[record_format.EncodedRecord], names: Topics) -> float:
    """Records a second through `KafkaProducer.send`."""
    with closing(KafkaAdminClient(**kafka)) as admin:
        topics.create_missing(admin, names, [names.internal])
    with closing(KafkaProducer(**kafka, acks="all", linger_ms=5, batch_size=256 * 1024)) as producer:
        producer.partitions_for(names.internal)
        started = perf_counter()
        for key, value, headers in records:
            producer.send(names.internal, value, key, headers)
        producer.flush()
        return len(records) / (perf_counter() - started)


def _live(bench: Bench, kafka: dict[str, Any]) -> Iterator[Row]:
    names = ours_topics()
    with closing(KafkaAdminClient(**kafka)) as admin:
        topics.create_missing(admin, names, names.events())
    settings = {"KAFKA_BOOTSTRAP_SERVERS": kafka["bootstrap_servers"], "PALIMPSEST_KAFKA_PREFIX": names.prefix}
    with (
        bench.database() as database,
        ours.opened(database) as own,
        open_folder() as folder,
        own_redis() as redis,
        processes.role("relay", database, folder, redis.url, **settings),
        watching(kafka, names) as seen,
    ):
        own(measure, seen, bench.seconds(SETTLING_SECONDS))
        delays = own(measure, seen, bench.seconds(SECONDS))
    name = f"commit to Kafka's consumer, {RATE} appends/s"
    for share in (0.5, 0.95):
        yield told(f"{name}: p{share * 100:.0f}", "ms", visible.at_share(delays, share))
    yield below(f"{name}: p99", "ms", [visible.at_share(delays, 0.99)], LIMIT)
    yield told(f"{name}: slowest", "ms", delays[-1])


async def measure(core: WriteSide, seen: dict[int, float], seconds: float) -> list[float]:
    """The delays of all appends in milliseconds, the shortest first."""
    acknowledged = await visible.append(core, seconds)
    await asyncio.sleep(visible.PATIENCE)
    never = perf_counter() + visible.PATIENCE
    return sorted(max(0.0, seen.get(position, never) - since) * 1000 for position, since in acknowledged)


@contextmanager
def watching(kafka: dict[str, Any], names: Topics) -> Iterator[dict[int, float]]:
    """Notes in the dict that it gives when a consumer, in a thread of its own, sees which position."""
    seen: dict[int, float] = {}
    over = Event()
    thread = Thread(target=_watch, args=[kafka, names, seen, over])
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _watch(kafka: dict[str, Any], names: Topics, seen: dict[int, float], over: Event) -> None:
    with closing(KafkaConsumer(**kafka, group_id=None, enable_auto_commit=False)) as consumer:
        consumer.assign([TopicPartition(names.internal, number) for number in range(names.partitions)])
        consumer.seek_to_beginning()
        while not over.is_set():
            for records in consumer.poll(100).values():
                now = perf_counter()
                for record in records:
                    read = record_format.decode_record(record)
                    if isinstance(read, record_format.EventRecord):
                        seen.setdefault(read.position, now)
