"""Forgetting, to the last copy: a canary in each personal field there is, and what is left of them after an erasure.

They are searched for in all tables, statistics and files of the database, in topics and files of the broker, and in an
export. The log still proves itself after that, and a certificate that was made before still holds. The same for what
clients write, in Redis, logs, mails and the data folder: `tests/e2e/test_canaries.py`.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import redis
from eventsourcing.utils import get_topic
from kafka import KafkaAdminClient, KafkaProducer

from adapters.integration_events.cloudevents import CloudEvents
from application.privacy.erasing import ERASERS
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Root
from domain.privacy.address import Address
from domain.teams.team import Team
from infra.audit.export import ExportRange, export
from infra.audit.verification import verify
from infra.bootstrap.lifetime import cancelled
from infra.bootstrap.relay import publish
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.topics import Topics, create_missing
from infra.local.servers.kafka import EmbeddedKafka
from infra.personal_data import TABLES
from infra.postgres.connect import connect
from infra.projector.rebuild.rebuild import rebuild
from infra.replay.certificate import Certificate
from infra.replay.certifying import certify, check
from projections.kernel import read_models
from tests.support import relaying
from tests.support.canaries import Canaries, Field, files_of
from tests.support.given import NOW
from tests.support.kafka import own_topics
from tests.support.personal_data import redis_keys
from tests.support.projecting import projecting, quarantine_of
from tests.support.sealing import SIGNER, seal
from tests.support.servers import Database, RedisForTests, redis_admin
from tests.support.stores import CALL, Opened, open_store, rows
from tests.support.waiting import wait_until

KEYS = "SELECT FROM data_keys WHERE wrapped IS NOT NULL"
CLEAR = {(name, column) for name, place in TABLES.items() for column in place.clear}
SAMPLED = ("pg_catalog.pg_statistic", "stavalues1")
"""Where PostgreSQL has the words that it has sampled."""
SHOWN = {get_topic(root) for model in read_models() if model.personal.clear for root in model.roots}
"""The aggregates with words that read models show."""


def quiet(done: int, goal: int) -> None:
    """Progress that is not shown."""


def remove_old_segments(database: Database) -> None:
    """Have the server remove the segments of the write-ahead log that it needs no more, and not reuse them."""
    for statement in ("ALTER SYSTEM SET wal_recycle = off", "SELECT pg_reload_conf()"):
        rows(database.admin_url, statement)
    wait_until(lambda: rows(database.admin_url, "SHOW wal_recycle") == [("off",)])
    for statement in (
        "SELECT pg_switch_wal()",
        "CHECKPOINT",
        "ALTER SYSTEM RESET wal_recycle",
        "SELECT pg_reload_conf()",
    ):
        rows(database.admin_url, statement)


@dataclass(frozen=True, slots=True)
class Platform:
    """A log, and all that follows it."""

    database: Database
    opened: Opened
    kafka: ClientConfig
    names: Topics

    async def follow(self, are_stated: Callable[[Mapping[UUID, bytes | None]], bool]) -> None:
        """Let read models, topics and the tree follow the log, until the public states are those that are wanted."""
        url = self.database.app_url
        async with projecting(read_models(), self.opened.feed(), url) as projector:
            await projector.reached()
        assert await quarantine_of(url) == []
        opened = self.opened
        publishing = publish(
            opened.url, opened.database, opened.keyring, opened.store, self.kafka, self.names, CloudEvents()
        )
        task = asyncio.create_task(publishing)
        await asyncio.to_thread(wait_until, lambda: are_stated(self.states()))
        await cancelled(task)
        seal(self.database)
        for statement in ("ANALYZE", "CHECKPOINT"):
            rows(self.database.admin_url, statement)

    def states(self) -> dict[UUID, bytes | None]:
        """The public state of each stream, as a topic has it after its compaction; None: a tombstone."""
        records = relaying.records_of(self.kafka, *self.names.states())
        return {UUID(record.key.decode()): record.value for record in records}

    def record_bytes(self) -> bytes:
        """All that the topics hold."""
        records = relaying.records_of(self.kafka, *self.names.events(), *self.names.states())
        parts = [part for each in records for part in (each.key, each.value, *dict(each.headers).values())]
        return b"".join(filter(None, parts))

    def export(self) -> bytes:
        """The export of the whole log for auditors."""
        lines: list[str] = []
        with connect(self.database.part_url("auditor")) as connection:
            export(connection, SIGNER.key, ExportRange(1, None), lines.append, quiet, events=True)
        return "".join(lines).encode()

    async def proves_itself(self, certificate: str) -> bool:
        """Whether the whole log is the one that was sealed, and what follows from it is what a certificate says."""
        with connect(self.database.part_url("auditor")) as connection:
            verify(connection, SIGNER.key, quiet)
        certified = Certificate.open(certificate, SIGNER.key)
        await check(self.database.part_url("auditor"), SIGNER.key, certified, read_models(), quiet)
        return True


async def live(opened: Opened, canaries: Canaries) -> list[Root]:
    """Append a life of each aggregate, and of the users whom streams of others are about."""
    lives = canaries.lives()
    users = [
        User.register(id=id, email=f"{id}@example.org", name="-", password_hash="-", now=NOW) for id in canaries.users
    ]
    for root in [*users, *lives]:
        await opened.store.append([root], CALL, None)
    return [*users, *lives]


async def erase(opened: Opened, canaries: Canaries, roots: Iterable[Root]) -> None:
    """Erase all of them, by what erases each kind, and the addresses that they are about."""
    for id in canaries.addresses:
        await opened.store.append([Address.erase(id=id, now=NOW)], CALL, None)
    for root in roots:
        if get_topic(type(root)) in ERASERS:
            kind, by = ERASERS[get_topic(type(root))]
            current = await opened.store.load(kind, root.id)
            assert current is not None
            by(current, now=NOW)
            await opened.store.append([current], CALL, None)


async def test_no_canary_of_any_personal_field_outlives_an_erasure(database: Database, kafka: EmbeddedKafka) -> None:
    canaries, (heap, wal) = Canaries(), files_of(database)
    async with open_store(database.app_url) as opened:
        platform = Platform(database, opened, {"bootstrap_servers": kafka.address}, own_topics(partitions=1))
        roots = await live(opened, canaries)
        stated = {root.id for root in roots if isinstance(root, User | Team | Document)}
        await platform.follow(lambda states: states.keys() >= stated)
        note = await certify(database.part_url("auditor"), SIGNER, read_models(), None, quiet)
        readable = canaries.columns_with(database.admin_url)
        assert {name for _, name in readable.pop(SAMPLED)} == {"tags"}
        assert {*readable} <= CLEAR
        assert len(readable) > 4
        assert canaries.files_with(heap) != []
        await erase(opened, canaries, roots)
        assert rows(database.admin_url, KEYS) == []
        # A table without a row would keep its statistics.
        other = Document.create(id=uuid4(), owner_id=uuid4(), title="Another", content="", now=NOW)
        await opened.store.append([other], CALL, None)
        await platform.follow(lambda states: {states[id] for id in stated} == {None})
        assert canaries.columns_with(database.admin_url) == {}
        for model in read_models():
            await rebuild(model, opened.feed(), database.app_url)
        assert not canaries.is_in(platform.record_bytes() + platform.export())
        assert await platform.proves_itself(note)
    rows(database.admin_url, "VACUUM FULL")
    rows(database.admin_url, "CHECKPOINT")
    assert canaries.columns_with(database.admin_url) == {}
    assert canaries.files_with(heap, kafka.folder) == []
    # The write-ahead log keeps what read models showed until it is reused, and nothing else.
    logged = set[Field]().union(*(canaries.found_in(file.read_bytes()) for file in canaries.files_with(wal)))
    assert {topic.partition(".")[0] for topic, _ in logged} <= SHOWN
    assert "email" not in {name for _, name in logged}
    remove_old_segments(database)
    assert canaries.files_with(heap, wal) == []


def test_the_search_finds_a_canary_in_each_place(
    database: Database, kafka: EmbeddedKafka, redis_server: RedisForTests, redis_url: str, tmp_path: Path
) -> None:
    """A search that finds nothing has looked: it finds what was planted, also compressed and in deleted rows."""
    canaries, (heap, wal) = Canaries(), files_of(database)
    word = canaries.word(canaries.fields[-1])
    rows(database.admin_url, "CREATE TABLE public.diary (entry text)")
    rows(database.admin_url, "INSERT INTO public.diary VALUES (%s), (%s), (%s)", word, word, f"{word} " * 10_000)
    rows(database.admin_url, "ANALYZE public.diary")
    found = canaries.columns_with(database.admin_url)
    assert {*found} == {("public.diary", "entry"), SAMPLED}
    assert [*found.values()] == [{canaries.fields[-1]}] * 2
    rows(database.admin_url, "DELETE FROM public.diary WHERE length(entry) < 100")
    rows(database.admin_url, "VACUUM public.diary")
    rows(database.admin_url, "CHECKPOINT")
    [(file,)] = rows(database.admin_url, "SELECT pg_relation_filepath('public.diary')")
    assert heap / Path(file).name in canaries.files_with(heap)
    assert canaries.files_with(wal) != []
    topics = own_topics(partitions=1)
    with closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as admin:
        create_missing(admin, topics, [topics.internal])
    with closing(KafkaProducer(bootstrap_servers=kafka.address)) as producer:
        producer.send(topics.internal, word.encode()).get(10)
    assert canaries.files_with(kafka.folder) != []
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "a.eml").write_text(word)
    assert canaries.files_with(tmp_path) == [tmp_path / "mail" / "a.eml"]
    with redis.Redis.from_url(redis_admin(redis_url)) as client:
        plant_in_redis(client, word)
    assert {key for key, value in redis_keys(redis_url).items() if canaries.is_in(value)} == {*KINDS_OF_KEYS}
    assert canaries.files_with(redis_server.folder) == []


KINDS_OF_KEYS = ("string", "hash", "list", "set", "zset", "stream")


def plant_in_redis(client: redis.Redis, word: str) -> None:
    """Write a word into a key of each type."""
    client.set("string", word)
    client.hset("hash", word, "1")
    client.rpush("list", word)
    client.sadd("set", word)
    client.zadd("zset", {word: 1})
    client.xadd("stream", {"entry": word})
