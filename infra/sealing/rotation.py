"""The database's part of a key rotation, as the owner of the tables. Each step can be repeated after an interrupt."""

from base64 import b64decode, b64encode
from collections.abc import Iterator
from uuid import UUID

from infra.errors import SetupError
from infra.postgres.connect import Connection
from infra.postgres.locks import LOCK_APPENDS, LOCK_ENQUEUES, ROTATE_KEYS
from infra.progress import Progress
from infra.sealing import receipts
from infra.sealing.check_values import (
    CLOSED,
    RECORD_KEY,
    SELECT_KEYS,
    RecordedKey,
    require,
    unrecorded,
    values_of,
)
from infra.sealing.job_seals import JobSeals
from infra.sealing.key_encryption import KeyEncryptionKeys
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState, RingKey
from infra.sealing.process_keys import stamping_of, wrapping_of
from infra.sealing.store_keys import Damage, StoreKeys

BATCH = 500

COUNT = "SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL"
DATA_KEYS = """
SELECT subject_id, wrapped, kek_id FROM data_keys
WHERE wrapped IS NOT NULL AND subject_id > %s ORDER BY subject_id LIMIT %s
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
OUTDATED_SNAPSHOTS = """
SELECT originator_id, originator_version FROM snapshots
WHERE substr(state, 2, 4) <> %s AND (originator_id, originator_version) > (%s, %s)
ORDER BY originator_id, originator_version LIMIT %s
"""
DELETE_SNAPSHOTS = """
DELETE FROM snapshots USING unnest(%s::uuid[], %s::bigint[]) AS outdated(id, version)
WHERE originator_id = id AND originator_version = version
"""
# Of done and cancelled jobs nothing is read any more.
UNFINISHED = "status IN ('todo', 'doing', 'failed') AND args ? 'sealed' AND args ->> 'key' <> %s"
COUNT_JOBS = f"SELECT count(*) FROM jobs.procrastinate_jobs WHERE {UNFINISHED}"  # noqa: S608
SEALED_JOBS = f"""
SELECT id, args ->> 'kind', args ->> 'effect', args ->> 'key', args ->> 'sealed' FROM jobs.procrastinate_jobs
WHERE {UNFINISHED} AND id > %s ORDER BY id LIMIT %s
"""  # noqa: S608
RESEAL = """
UPDATE jobs.procrastinate_jobs AS job SET args = args || jsonb_build_object('key', %s::text, 'sealed', new.sealed)
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS new(id, was, sealed)
WHERE job.id = new.id AND args ->> 'sealed' = new.was
"""
EARLIER = "UPDATE keys SET state = 'earlier' WHERE kind = %s AND state = 'current'"
RECORD = "INSERT INTO keys (kind, id, check_value, state) VALUES (%s, %s, %s, 'current')"
CLOSE = """
UPDATE keys SET state = 'closed',
    position = CASE kind WHEN 'store' THEN (SELECT coalesce(max(notification_id), 0) FROM stored_events) END
WHERE kind = %s AND state = 'earlier'
"""
RETIRE = "UPDATE keys SET state = 'retired' WHERE kind = %s AND state IN ('earlier', 'closed')"
NO_SUBJECT = "00000000-0000-0000-0000-000000000000"


def lock(connection: Connection) -> None:
    """Exclude other rotations, of any kind, until the connection is closed: each writes a document that it has read.

    Raises:
        SetupError: another rotation is running.
    """
    if connection.execute("SELECT pg_try_advisory_lock(%s)", [ROTATE_KEYS.key]).fetchone() != (True,):
        raise SetupError("Another rotation of a key is running. Wait until it has ended.")


def recorded(connection: Connection) -> list[RecordedKey]:
    """The rows of `keys`."""
    return [RecordedKey(*row) for row in connection.execute(SELECT_KEYS)]


def compared(connection: Connection, ring: KeyRing) -> list[RecordedKey]:
    """The rows of `keys`, which the ring fits. Before the first start of a process, its current keys are recorded.

    Raises:
        WrongKey: a key is not the one that the database was written with.
    """
    for key in unrecorded(ring, recorded(connection)):
        connection.execute(RECORD_KEY, values_of(key))
    rows = recorded(connection)
    require(ring, rows)
    return rows


def promote(connection: Connection, next_key: RingKey) -> None:
    """Record the next key of a kind as the current one. Processes take it into use with their next key document."""
    if any((row.kind, row.id) == (next_key.kind, next_key.id) for row in recorded(connection)):
        return
    with connection.transaction():
        connection.execute(EARLIER, [next_key.kind.value])
        connection.execute(RECORD, values_of(next_key))


def _close(connection: Connection, kind: KeyKind) -> None:
    """Close the earlier keys of a kind: now `append_events` and `enqueue_jobs` refuse what is under one of them.

    So nothing is added to what must be made independent of them, and that can be done while appends go on.
    """
    with connection.transaction():
        connection.execute(LOCK_ENQUEUES)
        # No append runs now: positions up to the last one may have been stamped by an earlier store key.
        connection.execute(LOCK_APPENDS)
        connection.execute(CLOSE, [kind.value])


def rewrap(connection: Connection, ring: KeyRing, progress: Progress) -> set[UUID]:
    """Close the earlier key-encryption keys, wrap all data keys by the current one, then retire the earlier ones.

    Returns the subjects whose data keys do not open. They stay as they are, and may still need an earlier key: a
    program that can write the database may have made them look damaged. For all others none is in use afterwards.
    """
    _close(connection, KeyKind.KEY_ENCRYPTION)
    wrapping = KeyEncryptionKeys(*wrapping_of(ring))
    row = connection.execute(COUNT).fetchone()
    total, done, damaged = row[0] if row else 0, 0, set[UUID]()
    for number, failed in _rewrapped(connection, wrapping):
        done += number
        damaged |= failed
        progress(done, total)
    connection.execute(RETIRE, [KeyKind.KEY_ENCRYPTION.value])
    return damaged


def _rewrapped(connection: Connection, wrapping: KeyEncryptionKeys) -> Iterator[tuple[int, set[UUID]]]:
    """Open all data keys, a batch at a time, and wrap those again that are not under the current key.

    All, because `kek_id` is not authenticated. Yields their number, and the subjects of those that do not open.
    """
    after: object = NO_SUBJECT
    while rows := connection.execute(DATA_KEYS, [after, BATCH]).fetchall():
        after = rows[-1][0]
        outdated, damaged = [], set()
        for subject_id, wrapped, kek_id in rows:
            try:
                data_key = wrapping.unwrap(subject_id, wrapped, kek_id)
            except Damage:
                damaged.add(subject_id)
                continue
            if kek_id != wrapping.current:
                outdated.append((subject_id, wrapped, wrapping.wrap(subject_id, data_key)))
        if outdated:
            connection.execute(REWRAP, [wrapping.current, *map(list, zip(*outdated, strict=True))])
        yield len(rows), damaged


def reseal_jobs(connection: Connection, ring: KeyRing, progress: Progress) -> list[int]:
    """Close the earlier key-encryption keys, and seal the jobs under the current one that are not done.

    Returns the ids of jobs that do not open. They stay as they are, and no key will open them.
    """
    _close(connection, KeyKind.KEY_ENCRYPTION)
    seals = JobSeals(*wrapping_of(ring))
    row = connection.execute(COUNT_JOBS, [seals.current]).fetchone()
    total, done, after, damaged = row[0] if row else 0, 0, 0, list[int]()
    while rows := connection.execute(SEALED_JOBS, [seals.current, after, BATCH]).fetchall():
        after = rows[-1][0]
        fitting = []
        for id, *sealed in rows:
            try:
                fitting.append((id, sealed[-1], _resealed(seals, *sealed)))
            except (Damage, ValueError):  # ValueError: not base64
                damaged.append(id)
        if fitting:
            connection.execute(RESEAL, [seals.current, *map(list, zip(*fitting, strict=True))])
        done += len(rows)
        progress(done, total)
    return damaged


def _resealed(seals: JobSeals, kind: str, effect_key: str, key_id: str, sealed: str) -> str:
    content = seals.unseal(kind, effect_key, key_id, b64decode(sealed))
    return b64encode(seals.seal(kind, effect_key, content)).decode()


def retire_store_keys(connection: Connection, ring: KeyRing) -> int:
    """Close the earlier store keys, stamp receipts again and remove snapshots, then retire the earlier ones.

    Returns the last position that one of them may have stamped.
    """
    _close(connection, KeyKind.STORE)
    rows = recorded(connection)
    stamps = StoreKeys(*stamping_of(ring, rows))
    _restamp(connection, stamps)
    _remove_snapshots(connection, stamps.tag)
    connection.execute(RETIRE, [KeyKind.STORE.value])
    return max(row.position or 0 for row in rows if row.kind == KeyKind.STORE)


def _remove_snapshots(connection: Connection, tag: bytes) -> None:
    """Remove the snapshots that are not stamped by the key with this tag."""
    after: tuple[object, int] = (NO_SUBJECT, 0)
    while rows := connection.execute(OUTDATED_SNAPSHOTS, [tag, *after, BATCH]).fetchall():
        after = rows[-1]
        connection.execute(DELETE_SNAPSHOTS, list(map(list, zip(*rows, strict=True))))


def _restamp(connection: Connection, stamps: StoreKeys) -> None:
    """Replace the receipts that are not stamped by the current store key. Damaged ones stay as they are."""
    after: object = NO_SUBJECT
    while rows := connection.execute(RECEIPTS, [stamps.tag, after, BATCH]).fetchall():
        after = rows[-1][0]
        fitting = []
        for subject_id, erased_at, receipt in rows:
            try:
                erasure = receipts.check(stamps, subject_id, erased_at, receipt)
            except Damage:
                continue
            fitting.append((subject_id, receipt, receipts.receipt(stamps, subject_id, erased_at, erasure)))
        if fitting:
            connection.execute(RESTAMP, list(map(list, zip(*fitting, strict=True))))


def retire_signing_keys(connection: Connection) -> None:
    """Record that the earlier signing keys sign nothing any more. Their tokens stay valid until the keys' limits."""
    connection.execute(RETIRE, [KeyKind.SIGNING.value])


def is_unfinished(ring: KeyRing, rows: list[RecordedKey], kind: KeyKind) -> bool:
    """Whether a rotation of the kind has begun, and its last step is not done."""
    if ring.next(kind) or any(row.kind == kind and row.state in (KeyState.EARLIER, CLOSED) for row in rows):
        return True
    return any(key.until is None for key in ring.earlier(kind))
