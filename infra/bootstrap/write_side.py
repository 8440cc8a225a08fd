"""The write side: the base of every role that sends commands or reads the log."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from uuid_utils.compat import uuid7

from application.bus import Bus
from application.discovery import import_all
from application.ports import Unavailable
from application.revocation import Settlement
from infra.bootstrap.keys import KeyGuard
from infra.bootstrap.lifetime import ended_by, started
from infra.postgres.cache_lease import CacheLease
from infra.postgres.connect import Pool, as_part, create_pool
from infra.postgres.database import Database
from infra.postgres.projector_connection import connect
from infra.sealing.blind_index import BlindIndex
from infra.sealing.key_cache import KeyCache
from infra.sealing.key_source import KeySource
from infra.sealing.keyring import Keyring
from infra.sealing.process_keys import ProcessKeys
from infra.settings.database import Part
from infra.settings.model import Settings
from infra.store.event_store import PostgresEventStore, keys_reader
from infra.store.feed import PostgresEventFeed
from infra.store.group_commit import GroupCommitter
from infra.store.stream_reader import StreamReader
from infra.telemetry.metrics import observe_batch, observe_command


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
    store: PostgresEventStore
    lease: CacheLease

    def bus(self, ports: Mapping[str, object], settlement: Settlement | None = None) -> Bus:
        """A command bus. Handlers get `ports`, the clock, the id generator and the email index."""
        own = {"clock": utc_now, "new_id": uuid7, "addresses": self.blind}
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
    keys = process_keys(settings)
    url = part_url(settings, part)
    pool = create_pool(url, settings.database.pool_size)
    await pool.open(wait=False)
    database = Database(pool)
    guard = KeyGuard(keys, database)
    lease = CacheLease(url)
    keyring = Keyring(keys.wrapping, keys_reader(database), keys.stamps, KeyCache(lease.holds))
    lease.register("data_keys", keyring.cache.drop, keyring.cache.sweep)
    writer = GroupCommitter(url, observe_batch)
    reading = StreamReader(url)
    store = PostgresEventStore(database, reading, writer, keyring, keys.blind, guard.require)
    lease.register("data_keys", store.snapshots.drop)
    try:
        with suppress(Unavailable):
            await guard.require()
        async with started(lease), ended_by(guard.watch()):
            yield WriteSide(url, pool, database, keyring, keys.blind, keys, guard, store, lease)
    finally:
        await store.drain()
        await writer.stop()
        reading.close()
        await pool.close()
