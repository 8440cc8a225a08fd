"""Read models that Kafka feeds: exactly once in effect, whatever the broker, the relay and other projectors do."""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import pytest
from kafka import KafkaConsumer
from kafka.admin import KafkaAdminClient
from kafka.structs import TopicPartition

from infra.kafka.client.topics import Topics, create_missing
from infra.kafka.consumer.feed import KafkaFeed
from infra.local.servers.kafka import EmbeddedKafka
from infra.postgres.projector_connection import ProjectorSession
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.partition_checkpoints import PartitionCheckpoints
from infra.projector.position_tracker import PositionTracker
from infra.projector.quarantine import retry
from infra.projector.rebuild.rebuild import rebuild
from projections.kernel import read_models
from tests.support.feeding import FromKafka, FromStore, checked, grown, lines_in
from tests.support.history import History
from tests.support.kafka import own_topics
from tests.support.metrics import sample
from tests.support.notes import Notes, note
from tests.support.projecting import append, positions
from tests.support.publishing import Publisher, publishing
from tests.support.roles import RoleProcess, environment
from tests.support.servers import Database
from tests.support.sharer import models, sharer
from tests.support.stores import Opened, open_store, rows
from tests.support.totals import LineTotals, expected, totals_in
from tests.support.waiting import until

PARTITIONS = "SELECT partition, position FROM projection_partitions WHERE name = 'notes' ORDER BY partition"


@pytest.fixture
def publisher(kafka: EmbeddedKafka, topics: Topics, database: Database) -> Iterator[Publisher]:
    with publishing(kafka.address, topics, database.admin_url) as publisher:
        yield publisher


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    async with open_store(database.app_url) as opened:
        yield opened


@pytest.fixture
def feeding(opened: Opened, publisher: Publisher) -> FromKafka:
    return FromKafka(opened, publisher)


GARBAGE: list[tuple[bytes | None, bytes | None, list[tuple[str, bytes]]]] = [
    (b"", None, []),
    (b"\xff\xfe", b"key", [("event", b"\xff\xff")]),
    (b"state", b"not an id", [("event", b'{"position": 1}')]),
    (b"state", None, [("event", b"null")]),
    (b"", None, [("watermark", b"[]")]),
    (b"", None, [("watermark", b'{"position": 1000000, "previous": 0}')]),
]


async def test_what_no_relay_has_written_stops_and_falsifies_nothing(feeding: FromKafka, database: Database) -> None:
    before = _foreign()
    notes = [note(n) for n in range(1, 11)]
    async with feeding.projecting(Notes()) as running:
        for n, turn in enumerate(grown(notes, 6)):
            await feeding.append(*turn)
            for partition in range(feeding.publisher.topics.partitions):
                value, key, headers = GARBAGE[(n + partition) % len(GARBAGE)]
                feeding.publisher.garbage(partition, value, key, headers)
        await feeding.append(note(11, "a"))
        await running.reached()
    assert lines_in(database) == {**dict.fromkeys(range(1, 11), 7), 11: 2}
    assert _foreign() - before >= 6 * feeding.publisher.topics.partitions
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


def _foreign() -> float:
    return sample("palimpsest_feed_foreign_records_total") or 0


async def test_an_event_whose_record_was_garbled_is_read_from_the_store(feeding: FromKafka, database: Database) -> None:
    async with feeding.projecting(Notes()) as running:
        await feeding.append(note(1, "a", "b"))
        await running.reached()
        await append(feeding.opened, [[note(2, "a", "b")]])
        feeding.publisher.garble(5)
        feeding.publisher.publish()
        await running.reached()
    assert lines_in(database) == {1: 3, 2: 3}
    assert rows(database.app_url, "SELECT quarantined FROM projections") == [(0,)]


async def test_what_a_relay_publishes_again_is_counted_once(feeding: FromKafka, database: Database) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with feeding.projecting(Notes()) as running:
        for turn in grown(notes, 6):
            last = await feeding.append(*turn)
            feeding.publisher.again(max(1, last - 14))
        await feeding.append(note(11))
        await running.reached()
    assert lines_in(database) == {**dict.fromkeys(range(1, 11), 7), 11: 1}


@pytest.mark.parametrize(
    "lost", [range(1, 30), range(20, 45), range(1, 61, 7)], ids=["first", "amid", "here and there"]
)
async def test_what_is_missing_in_kafka_is_read_from_the_store(
    feeding: FromKafka, database: Database, lost: range
) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with feeding.projecting(Notes()) as running:
        for turn in grown(notes, 6):
            await append(feeding.opened, [[root] for root in turn])
            feeding.publisher.publish(lost)
        await running.reached()
    assert set(lines_in(database).values()) == {7}
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_what_retention_has_removed_is_read_from_the_store(feeding: FromKafka, database: Database) -> None:
    notes = [note(n) for n in range(1, 11)]
    for turn in grown(notes, 6):
        await feeding.append(*turn)
    topic, partitions = feeding.publisher.topics.internal, range(feeding.publisher.topics.partitions)
    with KafkaAdminClient(bootstrap_servers=feeding.publisher.servers) as admin:
        admin.delete_records({TopicPartition(topic, partition): 2 for partition in partitions})
    async with feeding.projecting(Notes()) as running:
        await running.reached()
    assert set(lines_in(database).values()) == {7}


async def test_topics_that_are_made_anew_are_read_from_where_the_read_models_stand(
    feeding: FromKafka, database: Database, kafka: EmbeddedKafka
) -> None:
    notes = [note(n) for n in range(1, 11)]
    async with feeding.projecting(Notes()) as running:
        for turn in grown(notes, 3):
            await feeding.append(*turn)
        await running.reached()
    topics = feeding.publisher.topics
    with publishing(kafka.address, Topics(f"{topics.prefix}-2", topics.partitions), database.admin_url) as anew:
        again = FromKafka(feeding.opened, anew)
        for turn in grown(notes, 3):
            await again.append(*turn)
        async with again.projecting(Notes()) as running:
            await running.reached()
    assert set(lines_in(database).values()) == {7}


async def test_a_read_model_changes_feeds_at_any_moment_in_both_directions(
    feeding: FromKafka, database: Database
) -> None:
    notes = [note(n) for n in range(1, 16)]
    dice = random.Random(5)
    store = FromStore(feeding.opened)
    turns = iter(list(range(24)))

    async def grow(count: int) -> None:
        for _, turn in zip(range(count), turns, strict=False):
            for each in notes:
                each.extend(str(turn))
            await feeding.append(*notes)

    for n in range(8):
        async with (store if n % 2 else feeding).projecting(Notes()):
            await grow(3)
            await asyncio.sleep(dice.uniform(0, 0.5))
    async with feeding.projecting(Notes()) as running:
        await feeding.append(note(98))
        await running.reached()
    assert lines_in(database) == {**dict.fromkeys(range(1, 16), 25), 98: 1}
    assert len(rows(database.app_url, PARTITIONS)) == 8
    async with store.projecting(Notes()) as running:
        await feeding.append(note(99))
        await running.reached()
    assert rows(database.app_url, PARTITIONS) == []
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_both_feeds_at_once_count_every_event_once(feeding: FromKafka, database: Database) -> None:
    notes = [note(n) for n in range(1, 16)]
    async with (
        feeding.projecting(Notes()) as one,
        FromStore(feeding.opened).projecting(Notes()) as other,
    ):
        for turn in grown(notes, 20):
            await feeding.append(*turn)
        await one.reached()
        await other.reached()
    assert set(lines_in(database).values()) == {21}
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_a_quiet_partition_holds_back_the_position_until_its_watermark_comes(
    feeding: FromKafka, database: Database
) -> None:
    waiting = PositionTracker(database.app_url)
    await waiting.start()
    async with feeding.projecting(Notes()):
        await append(feeding.opened, [[note(1, "a", "b")]])
        feeding.publisher.publish(watermarks=False)
        await until(lambda: lines_in(database) == {1: 3})
        assert await waiting.wait("notes", 3, 0.3) == 3
        feeding.publisher.publish()
        assert await waiting.wait("notes", 3, 5) == 0
    await waiting.stop()


async def test_a_rebuild_compares_and_swaps_while_partitions_stand_apart(
    feeding: FromKafka, database: Database
) -> None:
    notes = [note(n) for n in range(1, 31)]
    async with feeding.projecting(Notes(), LineTotals()) as running:
        await feeding.append(*notes)
        await running.reached()
        for turn in grown(notes[:7], 3):
            await append(feeding.opened, [[root] for root in turn])
        last = feeding.publisher.publish(watermarks=False)
        await until(lambda: max(position for _, position in rows(database.app_url, PARTITIONS)) == last)
        await until(lambda: sum(lines_in(database).values()) == 30 + 21)
        assert positions(database.app_url, [Notes()])["notes"] == 30
        for _ in range(2):
            for model in (Notes(), LineTotals()):
                assert (await rebuild(model, feeding.opened.feed(), database.app_url)).differing == 0
        for turn in grown(notes, 1):
            await feeding.append(*turn)
        await running.reached()
    assert lines_in(database) == {**dict.fromkeys(range(1, 8), 5), **dict.fromkeys(range(8, 31), 2)}
    assert totals_in(database.app_url) == expected({"0": 37, "1": 7, "2": 7}, 30)
    assert [done.differing for done in await checked(feeding.opened, LineTotals())] == [0]


async def test_another_number_of_partitions_is_refused(
    feeding: FromKafka, database: Database, kafka: EmbeddedKafka, caplog: pytest.LogCaptureFixture
) -> None:
    async with feeding.projecting(Notes()) as running:
        await feeding.append(note(1))
        await running.reached()
    other = Topics(f"{feeding.publisher.topics.prefix}-wide", partitions=11)
    with publishing(kafka.address, other, database.admin_url) as wide:
        again = FromKafka(feeding.opened, wide)
        await again.append(note(2))
        async with again.projecting(Notes()):
            await asyncio.sleep(0.5)
            assert lines_in(database) == {1: 1}
        async with FromStore(feeding.opened).projecting(Notes()) as running:
            await running.reached()
        async with again.projecting(Notes()) as running:
            await again.append(note(3))
            await running.reached()
    assert lines_in(database) == {1: 1, 2: 1, 3: 1}


async def test_a_broker_that_goes_and_comes_back_loses_and_repeats_nothing(
    own_kafka: EmbeddedKafka, topics: Topics, database: Database, opened: Opened
) -> None:
    notes = [note(n) for n in range(1, 11)]
    with publishing(own_kafka.address, topics, database.admin_url) as publisher:
        feeding = FromKafka(opened, publisher)
        async with feeding.projecting(Notes()) as running:
            for n, turn in enumerate(grown(notes, 6)):
                if n == 3:
                    await asyncio.to_thread(own_kafka.kill)
                    await asyncio.sleep(0.3)
                    await asyncio.to_thread(own_kafka.start)
                await feeding.append(*turn)
            await running.reached(patience=40)
    assert set(lines_in(database).values()) == {7}


async def test_projectors_that_are_killed_and_join_under_load_count_every_event_once(
    feeding: FromKafka, database: Database, tmp_path: Path
) -> None:
    notes = [note(n) for n in range(1, 41)]
    history = History(11)
    log = tmp_path / "sharers.log"
    with ExitStack() as stack:
        victim, _ = (stack.enter_context(sharer(database, feeding.publisher, log)) for _ in range(2))
        for n, turn in enumerate(grown(notes, 45)):
            for roots in history.changes(6):
                await append(feeding.opened, [roots])
            await feeding.append(*turn)
            if n == 15:
                await until(lambda: sum(positions(database.app_url, models()).values()) > 0, 30)
                victim.kill()
            if n == 25:
                stack.enter_context(sharer(database, feeding.publisher, log))
        last = await feeding.opened.feed().head()
        wanted = {model.name: last for model in models()}
        await until(lambda: positions(database.app_url, models()) == wanted, 60)
    assert lines_in(database) == dict.fromkeys(range(1, 41), 46)
    assert totals_in(database.app_url) == expected(dict.fromkeys(map(str, range(45)), 40), 40)
    for done in await checked(feeding.opened, *models()):
        assert (done.differing, done.quarantined) == (0, 0)


async def test_the_roles_work_together_and_a_projector_starts_again_with_another_feed(
    kafka: EmbeddedKafka, topics: Topics, database: Database, opened: Opened, tmp_path: Path
) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": kafka.address, "PALIMPSEST_KAFKA_PREFIX": topics.prefix}
    settings = environment(database, None, 1, tmp_path) | given
    history, waiting = History(23), PositionTracker(database.app_url)
    await waiting.start()
    with ExitStack() as stack:
        _started(stack, "relay", settings, tmp_path)
        for feed in ("kafka", "store", "kafka"):
            projector = _started(stack, "projector", {**settings, "PALIMPSEST_FEED": feed}, tmp_path)
            for _ in range(20):
                last = await append(opened, history.changes(5))
            for model in read_models():
                assert await waiting.wait(model.name, last, 60) == 0, logs_in(tmp_path)
            await asyncio.to_thread(projector.stop)
    await waiting.stop()
    for done in await checked(opened, *read_models()):
        assert (done.differing, done.quarantined) == (0, 0)


def logs_in(folder: Path) -> str:
    """The logs of all roles that ran in a folder."""
    return "\n".join(f"{file.name}:\n{file.read_text()}" for file in sorted(folder.glob("*.log")))


def _started(stack: ExitStack, name: str, settings: dict[str, str], folder: Path) -> RoleProcess:
    role = RoleProcess(name, settings, folder)
    stack.callback(role.kill)
    role.start()
    return role


async def test_the_group_sees_to_it_that_each_partition_has_one_reader(feeding: FromKafka) -> None:
    opened, publisher = feeding.opened, feeding.publisher
    feeds = [
        KafkaFeed(publisher.consumer, publisher.topics, publisher.topics.prefix, opened.keyring, opened.feed())
        for _ in range(2)
    ]
    for feed in feeds:
        await feed.start()
    try:
        await until(lambda: sorted(len(feed.newly_assigned()) for feed in feeds) == [4, 4], 30)
        assert {n for feed in feeds for n in feed.newly_assigned()} == set(range(8))
        await feeds[0].stop()
        await until(lambda: len(feeds[1].newly_assigned()) == 8, 30)
    finally:
        await feeds[1].stop()


async def test_a_projector_that_stands_still_amid_a_batch_holds_up_no_other(
    feeding: FromKafka, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.postgres.projector_connection.IDLE_TIMEOUT", "1s")
    async with feeding.projecting(Notes()) as running:
        await feeding.append(*(note(n) for n in range(1, 11)))
        await running.reached()
        frozen = await ProjectorSession(database.app_url).get()
        async with frozen.transaction():
            await PartitionCheckpoints(PROJECTIONS).lock(frozen, ["notes"], range(8))
            await feeding.append(*(note(n) for n in range(11, 21)))
            await running.reached()
            await frozen.close()
    assert lines_in(database) == dict.fromkeys(range(1, 21), 1)


async def test_a_retry_takes_in_what_a_stream_has_missed_while_partitions_stand_apart(
    feeding: FromKafka, database: Database
) -> None:
    stopped = note(1, "a", "!raise", "b")
    async with feeding.projecting(Notes()) as running:
        await feeding.append(*(note(n) for n in range(2, 12)))
        await running.reached()
        await append(feeding.opened, [[stopped]])
        last = feeding.publisher.publish(watermarks=False)
        await until(lambda: max(position for _, position in rows(database.app_url, PARTITIONS)) == last)
        assert positions(database.app_url, [Notes()])["notes"] == 10
        log = feeding.opened.feed()
        assert await retry(Notes(), stopped.id, log, database.app_url, skip=True) is None
        assert lines_in(database)[1] == 3
        stopped.extend("c")
        await feeding.append(stopped)
        await running.reached()
    assert lines_in(database)[1] == 4
    assert [done.differing for done in await checked(feeding.opened, Notes())] == [0]


async def test_a_feed_that_starts_before_its_topic_gets_the_partitions_soon(
    kafka: EmbeddedKafka, opened: Opened
) -> None:
    late = own_topics()
    consumer = partial(KafkaConsumer, bootstrap_servers=kafka.address)
    feed = KafkaFeed(consumer, late, f"{late.prefix}.projector", opened.keyring, opened.feed())
    await feed.start()
    try:
        await asyncio.sleep(3)
        with closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as admin:
            await asyncio.to_thread(create_missing, admin, late, [late.internal])
        await until(lambda: len(feed.newly_assigned()) == late.partitions)
    finally:
        await feed.stop()
