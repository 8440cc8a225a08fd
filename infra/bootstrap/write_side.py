"""The write side: the base of every role that sends commands or reads the log."""

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from psycopg.conninfo import make_conninfo
from uuid_utils.compat import uuid7

from application.bus import Bus
from application.discovery import import_all
from application.revocation import Settlement
from infra.bootstrap.lifetime import started
from infra.postgres.cache_lease import CacheLease
from infra.postgres.connect import Pool, create_pool
from infra.postgres.database import Database
from infra.sealing.blind_index import BlindIndex
from infra.sealing.key_cache import KeyCache
from infra.sealing.keyring import Keyring
from infra.sealing.store_keys import StoreKeys
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


def app_url(settings: Settings) -> str:
    """The database address for application sessions: their role may add events but not change them."""
    return make_conninfo(settings.database.url.get_secret_value(), options="-c role=palimpsest_app")


@asynccontextmanager
async def open_write_side(settings: Settings) -> AsyncIterator[WriteSide]:
    """Open the pool, the store and its parts; close them at the end. Opening succeeds even if the database is down."""
    load_use_cases()
    url = app_url(settings)
    pool = create_pool(url, settings.database.pool_size)
    await pool.open(wait=False)
    database = Database(pool)
    lease = CacheLease(url)
    keyring = Keyring(
        b64decode(settings.keys.key_encryption_key.get_secret_value()),
        settings.keys.key_encryption_key_id,
        keys_reader(database),
        StoreKeys(b64decode(settings.keys.store_key.get_secret_value())),
        KeyCache(lease.holds),
    )
    lease.register("data_keys", keyring.cache.drop)
    blind = BlindIndex(b64decode(settings.keys.blind_index_key.get_secret_value()))
    writer = GroupCommitter(url, observe_batch)
    reading = StreamReader(url)
    store = PostgresEventStore(database, reading, writer, keyring, blind)
    try:
        async with started(lease):
            yield WriteSide(url, pool, database, keyring, blind, store, lease)
    finally:
        await store.drain()
        await writer.stop()
        reading.close()
        await pool.close()
