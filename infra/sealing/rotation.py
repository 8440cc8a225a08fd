"""The database's part of a key rotation, as the owner of the tables. Each step can be repeated after an interrupt."""

from collections.abc import Iterator

from infra.postgres.connect import Connection
from infra.postgres.locks import LOCK_APPENDS
from infra.progress import Progress
from infra.sealing import receipts
from infra.sealing.check_values import SELECT_KEYS, RecordedKey, values_of
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState, RingKey
from infra.sealing.store_keys import Damage, StoreKeys

BATCH = 500

COUNT_OUTDATED = "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL AND kek_id <> %s"
OUTDATED = """
SELECT subject_id, wrapped, kek_id FROM data_keys
WHERE wrapped IS NOT NULL AND kek_id <> %s AND subject_id > %s ORDER BY subject_id LIMIT %s
"""
# Compares with what was read: a key that was erased in the meantime stays erased.
REWRAP = """
UPDATE data_keys SET wrapped = new.wrapped, kek_id = %s
FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS new(subject_id, was, wrapped)
WHERE data_keys.subject_id = new.subject_id AND data_keys.wrapped = new.was
"""
RECEIPTS = """
SELECT subject_id, erased_at, receipt FROM data_keys
WHERE receipt IS NOT NULL AND substr(receipt, 2, 4) <> %s AND subject_id > %s ORDER BY subject_id LIMIT %s
"""
RESTAMP = """
UPDATE data_keys SET receipt = new.receipt
FROM unnest(%s::uuid[], %s::bytea[], %s::bytea[]) AS new(subject_id, was, receipt)
WHERE data_keys.subject_id = new.subject_id AND data_keys.receipt = new.was
"""
EARLIER = "UPDATE keys SET state = 'earlier' WHERE kind = %s AND state = 'current'"
RECORD = "INSERT INTO keys (kind, id, check_value, state) VALUES (%s, %s, %s, 'current')"
RETIRE = "UPDATE keys SET state = 'retired', position = %s WHERE kind = %s AND state = 'earlier'"
HEAD = "SELECT coalesce(max(notification_id), 0) FROM stored_events"
NO_SUBJECT = "00000000-0000-0000-0000-000000000000"


def recorded(connection: Connection) -> list[RecordedKey]:
    """The rows of `keys`."""
    return [RecordedKey(*row) for row in connection.execute(SELECT_KEYS)]


def promote(connection: Connection, next_key: RingKey) -> None:
    """Record the next key of a kind as the current one. Processes take it into use with their next key document."""
    if any((row.kind, row.id) == (next_key.kind, next_key.id) for row in recorded(connection)):
        return
    with connection.transaction():
        connection.execute(EARLIER, [next_key.kind.value])
        connection.execute(RECORD, values_of(next_key))


def rewrap(connection: Connection, wrapping: KeyEncryptionKeys, progress: Progress) -> int:
    """Wrap all data keys by the current key-encryption key, then retire the earlier ones: none is in use afterwards.

    Returns the number of data keys that could not be opened. They are damaged, and stay as they are.
    """
    row = connection.execute(COUNT_OUTDATED, [wrapping.current]).fetchone()
    total, done, damaged = row[0] if row else 0, 0, 0
    for opened, failed in _rewrapped(connection, wrapping):
        done += opened
        progress(done + failed, total)
    with connection.transaction():
        # No append stores a key under an earlier key now; afterwards `append_events` refuses it.
        connection.execute(LOCK_APPENDS)
        damaged = sum([failed for _, failed in _rewrapped(connection, wrapping)])
        connection.execute(RETIRE, [None, KeyKind.KEY_ENCRYPTION.value])
    return damaged


def _rewrapped(connection: Connection, wrapping: KeyEncryptionKeys) -> Iterator[tuple[int, int]]:
    """Wrap outdated data keys again, a batch at a time. Yields how many were wrapped, and how many do not open."""
    after: object = NO_SUBJECT
    while rows := connection.execute(OUTDATED, [wrapping.current, after, BATCH]).fetchall():
        after = rows[-1][0]
        opened = []
        for subject_id, wrapped, kek_id in rows:
            try:
                data_key = wrapping.unwrap(subject_id, wrapped, kek_id)
            except Damage:
                continue
            opened.append((subject_id, wrapped, wrapping.wrap(subject_id, data_key)))
        if opened:
            connection.execute(REWRAP, [wrapping.current, *map(list, zip(*opened, strict=True))])
        yield len(opened), len(rows) - len(opened)


def retire_store_keys(connection: Connection, ring: KeyRing, stamps: StoreKeys) -> int:
    """Stamp receipts again, remove snapshots, then retire the earlier store keys. Returns the last position that one of
    them may have stamped: afterwards `append_events` refuses them."""
    tag = bytes.fromhex(ring.current(KeyKind.STORE).id)
    _restamp(connection, stamps, tag)
    with connection.transaction():
        connection.execute(LOCK_APPENDS)
        row = connection.execute(HEAD).fetchone()
        assert row is not None
        connection.execute(RETIRE, [row[0], KeyKind.STORE.value])
        _restamp(connection, stamps, tag)
        connection.execute("DELETE FROM snapshots")
    return max(row.position or 0 for row in recorded(connection) if row.kind == KeyKind.STORE)


def _restamp(connection: Connection, stamps: StoreKeys, tag: bytes) -> None:
    """Replace the receipts that are not stamped by the key with this tag. Damaged ones stay as they are."""
    after: object = NO_SUBJECT
    while rows := connection.execute(RECEIPTS, [tag, after, BATCH]).fetchall():
        after = rows[-1][0]
        fitting = []
        for subject_id, erased_at, receipt in rows:
            try:
                receipts.check(stamps, subject_id, erased_at, receipt)
            except Damage:
                continue
            fitting.append((subject_id, receipt, receipts.receipt(stamps, subject_id, erased_at)))
        if fitting:
            connection.execute(RESTAMP, list(map(list, zip(*fitting, strict=True))))


def retire_signing_keys(connection: Connection) -> None:
    """Record that the earlier signing keys sign nothing any more. Their tokens stay valid until the keys' limits."""
    connection.execute(RETIRE, [None, KeyKind.SIGNING.value])


def is_unfinished(ring: KeyRing, rows: list[RecordedKey], kind: KeyKind) -> bool:
    """Whether a rotation of the kind has begun, and its last step is not done."""
    if ring.next(kind) or any((row.kind, row.state) == (kind, KeyState.EARLIER) for row in rows):
        return True
    if kind is KeyKind.KEY_ENCRYPTION:
        return bool(ring.earlier(kind))
    return kind is KeyKind.STORE and any(key.until is None for key in ring.earlier(kind))
