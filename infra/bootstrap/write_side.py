"""The write side: the base of every role that sends commands or reads the log."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from adapters.devices import device_name
from application.bus import Bus
from application.discovery import import_all
from application.ports import Unavailable
from application.revocation import Settlement
from infra.bootstrap.keys import KeyGuard
from infra.bootstrap.lifetime import ended_by, started
from infra.jobs.encoding import JobCodec
from infra.jobs.queue import PostgresJobQueue
from infra.postgres.cache_lease import CacheLease
from infra.postgres.connect import Pool, as_part, create_pool
from infra.postgres.database import Database
from infra.postgres.projector_connection import connect
from infra.sealing.blind_index import BlindIndex
from infra.sealing.key_cache import KeyCache
from infra.sealing.key_source import KeySource
from infra.sealing.keyring import Keyring
from infra.sealing.process_keys import ProcessKeys
from infra.security_log.postgres_security_log import PostgresSecurityLog
from infra.sessions.store import PostgresSessions
from infra.settings.database import Part
from infra.settings.model import Settings
from infra.store.event_store import PostgresEventStore, keys_reader
from infra.store.feed import PostgresEventFeed
from infra.store.group_commit import GroupCommitter
from infra.store.stream_reader import StreamReader
from infra.telemetry.metrics import count_lost_entries, observe_batch, observe_command


@dataclass(frozen=True, slots=True)
class WriteSide:
    """The parts that share one database."""

    url: str
    pool: Pool
    database: Database
    keyring: Keyring
    blind: BlindIndex
    keys: ProcessKeys
    guard: KeyGuard
    reader: StreamReader
    store: PostgresEventStore
    lease: CacheLease
    queue: PostgresJobQueue
    sessions: PostgresSessions
    security_log: PostgresSecurityLog

    def bus(self, ports: Mapping[str, object], settlement: Settlement | None = None) -> Bus:
        """A command bus. Handlers get `ports`, and those of the write side."""
        own = {
            "clock": utc_now,
            "new_id": uuid7,
            "addresses": self.blind,
            "digests": self.blind,
            "slugs": self.blind,
            "queue": self.queue,
            "sessions": self.sessions,
            "device_names": device_name,
            "security_log": self.security_log,
        }
        return Bus(self.store, {**own, **ports}, self.blind, observe_command, settlement)

    def feed(self) -> PostgresEventFeed:
        """A feed of the log, not started."""
        return PostgresEventFeed(self.database, self.keyring, self.url)


def utc_now() -> datetime:
    """The current time, with its zone."""
    return datetime.now(UTC)


def load_use_cases() -> None:
    """Import all use cases: this registers command handlers and event types."""
    import_all("application")


def part_url(settings: Settings, part: Part) -> str:
    """The database address for sessions with the role of a part."""
    return as_part(settings.database.url.get_secret_value(), part)


def process_keys(settings: Settings) -> ProcessKeys:
    """The keys of this process, not compared with the database.

    Raises:
        SettingsError: the key document is missing or wrong.
    """
    return ProcessKeys(KeySource(settings.keys))


@asynccontextmanager
async def open_for_command(settings: Settings, part: Part) -> AsyncIterator[WriteSide]:
    """As `open_write_side`, for a command, which fails at once if the database does not answer.

    Raises:
        Unavailable: the database does not answer.
    """
    async with await connect(part_url(settings, part)):
        pass  # the pool would try for some seconds
    async with open_write_side(settings, part) as core:
        yield core


@asynccontextmanager
async def open_write_side(settings: Settings, part: Part) -> AsyncIterator[WriteSide]:
    """Open the pool, the store and its parts, with the database role of `part`; close them at the end.

    Opening succeeds even if the database is down.

    Raises:
        SettingsError: the key document is missing or wrong.
        WrongKey: a key is not the one that the database was written with. If the database was down at first, the body
            is cancelled and this raised in its place.
    """
    load_use_cases()
    async with AsyncExitStack() as stack:
        url = part_url(settings, part)
        pool = create_pool(url, settings.database.pool_size)
        await pool.open(wait=False)
        stack.push_async_callback(pool.close)
        core = _write_side(url, pool, process_keys(settings), stack)
        with suppress(Unavailable):
            await core.guard.require()
        async with started(core.lease), ended_by(core.guard.watch()):
            yield core


def _write_side(url: str, pool: Pool, keys: ProcessKeys, stack: AsyncExitStack) -> WriteSide:
    """The store and its parts. `stack` will close them."""
    database = Database(pool)
    guard = KeyGuard(keys, database)
    lease = CacheLease(url)
    keyring = Keyring(keys.wrapping, keys_reader(database), keys.stamps, KeyCache(lease.holds))
    lease.register("data_keys", keyring.cache.drop, keyring.cache.sweep)
    reading = StreamReader(url)
    stack.callback(reading.close)
    writer = GroupCommitter(url, observe_batch)
    stack.push_async_callback(writer.stop)
    store = PostgresEventStore(database, reading, writer, keyring, keys.blind, guard.require)
    lease.register("data_keys", store.snapshots.drop)
    stack.push_async_callback(store.drain)
    security_log = PostgresSecurityLog(database, keyring, keys.blind, utc_now, uuid7, count_lost_entries)
    stack.push_async_callback(security_log.stop)
    queue = PostgresJobQueue(database, JobCodec(keys.jobs), guard.require)
    return WriteSide(
        url=url,
        pool=pool,
        database=database,
        keyring=keyring,
        blind=keys.blind,
        keys=keys,
        guard=guard,
        reader=reading,
        store=store,
        lease=lease,
        queue=queue,
        sessions=PostgresSessions(database, queue, keyring, keys.blind, device_name, utc_now),
        security_log=security_log,
    )
