"""Opens the event store on the database of a test, as one of several processes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor, CommandContext
from infra.postgres.connect import Pool
from infra.postgres.database import Database
from infra.private_file import write_private
from infra.sealing.blind_index import BlindIndex
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.key_ring import KeyKind, KeyRing, RingKey, id_of
from infra.sealing.keyring import FetchWrapped, Keyring
from infra.sealing.receipts import receipt
from infra.sealing.store_keys import StoreKeys
from infra.settings.keys import KEYS_FILE
from infra.store.event_store import PostgresEventStore, keys_reader
from infra.store.feed import PostgresEventFeed
from infra.store.group_commit import GroupCommitter
from infra.store.stream_reader import StreamReader

KEK, KEK_ID = bytes(range(32)), "kek"
BLIND_KEY = bytes(range(32, 64))
STORE_KEY = bytes(range(64, 96))
SIGNING_KEY = bytes(range(96, 128))
LOG_KEY = bytes(range(128, 160))
KEY_RING = KeyRing(
    (
        RingKey(KeyKind.KEY_ENCRYPTION, KEK_ID, KEK),
        RingKey(KeyKind.STORE, id_of(KeyKind.STORE, STORE_KEY), STORE_KEY),
        RingKey(KeyKind.BLIND_INDEX, "blind", BLIND_KEY),
        RingKey(KeyKind.SIGNING, "signing", SIGNING_KEY),
        RingKey(KeyKind.LOG, "log", LOG_KEY),
    )
)
KEYS = {"PALIMPSEST_KEYS": KEY_RING.document()}
"""The keys above as a setting."""
STAMPS = StoreKeys(STORE_KEY)
CALL = CommandContext(actor=Actor(UUID(int=7)), correlation_id=UUID(int=8), causation_id=UUID(int=9))


@dataclass(frozen=True, slots=True)
class Opened:
    """The store as one process opens it."""

    store: PostgresEventStore
    writer: GroupCommitter
    database: Database
    keyring: Keyring
    blind: BlindIndex
    url: str

    def feed(self) -> PostgresEventFeed:
        """A feed of its own."""
        return PostgresEventFeed(self.database, self.keyring, self.url)


@asynccontextmanager
async def open_store(url: str) -> AsyncIterator[Opened]:
    """A store with its own pool, keyring and writer."""
    async with AsyncConnectionPool(
        url, min_size=1, max_size=8, timeout=3, kwargs={"autocommit": True}, open=False
    ) as pool:
        database = Database(pool)
        keyring = keyring_of(keys_reader(database))
        blind = BlindIndex(BLIND_KEY)
        writer = GroupCommitter(url)
        reading = StreamReader(url)
        store = PostgresEventStore(database, reading, writer, keyring, blind)
        try:
            yield Opened(store, writer, database, keyring, blind, url)
        finally:
            await store.drain()
            await writer.stop()
            reading.close()


def keyring_of(fetch: FetchWrapped, kek: bytes = KEK) -> Keyring:
    """A keyring with the keys of the tests."""
    return Keyring(KeyEncryptionKeys(KEK_ID, {KEK_ID: kek}), fetch, STAMPS)


def make_key_file(folder: Path) -> Path:
    """Write the keys of the tests into a data folder; answers the file."""
    file = folder / KEYS_FILE
    write_private(file, KEY_RING.document())
    return file


def destroy_keys(url: str, *subject_ids: UUID) -> None:
    """Destroy the data keys of subjects, with a receipt of each."""
    for subject_id in subject_ids:
        now = datetime.now(UTC)
        values = [now, receipt(STAMPS, subject_id, now, 1), subject_id]
        rows(url, "UPDATE data_keys SET wrapped = NULL, erased_at = %s, receipt = %s WHERE subject_id = %s", *values)


def rows(url: str, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a query, on a connection of its own."""
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, parameters)
        return cursor.fetchall() if cursor.description is not None else []


DISCONNECT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename LIKE %s AND query LIKE %s
"""


def disconnect(admin_url: str, user: str = "%", statement: str = "%") -> None:
    """End the connections of others to the database: those whose user and last statement are like these."""
    rows(admin_url, DISCONNECT, user, statement)


WAITING = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE pg_stat_activity.datname = current_database() AND NOT granted
"""


def waiting_for_locks(admin_url: str) -> int:
    """The number of locks in the database that are waited for."""
    [(number,)] = rows(admin_url, WAITING)
    return int(number)


__all__ = [
    "BLIND_KEY",
    "CALL",
    "KEK",
    "KEYS",
    "KEY_RING",
    "LOG_KEY",
    "SIGNING_KEY",
    "STAMPS",
    "STORE_KEY",
    "Opened",
    "Pool",
    "destroy_keys",
    "disconnect",
    "keyring_of",
    "make_key_file",
    "open_store",
    "rows",
    "waiting_for_locks",
]
