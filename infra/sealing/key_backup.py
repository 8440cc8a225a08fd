"""Backups of the data keys: apart from that of the log, and for days only.

A file has a head with its form, its time and the number of keys, a line for each row of `data_keys`, and the stamp of
the store key over all of this. The data keys in it are wrapped by key-encryption keys, which it does not have. An older
file brings back more people who were erased since, so one that is older than `KEPT_FOR` is refused, and the next backup
removes it from its folder.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import msgspec

from infra.postgres.connect import Connection
from infra.postgres.locks import LOCK_APPENDS
from infra.sealing import receipts
from infra.sealing.store_keys import Damage, Purpose, StoreKeys, framed

FORM = "palimpsest-data-keys/1"
KEPT_FOR = timedelta(days=7)
NAME = "data-keys-%Y%m%dT%H%M%SZ.jsonl"
DRAFT = ".draft"
"""Suffix of a backup that is being written; one is left by a process that was killed."""
READ_BATCH = 10_000
MARGIN = timedelta(days=1)
"""Of the time of a backup: the clocks of two machines differ, and erasures were under way when it was made."""

ROWS = "SELECT subject_id, wrapped, kek_id, created_at, erased_at, receipt FROM data_keys"
INSERT = """
INSERT INTO data_keys (subject_id, wrapped, kek_id, created_at, erased_at, receipt)
VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (subject_id) DO NOTHING
"""
ERASED_SINCE = """
SELECT originator_id, max(originator_version), max(recorded_at) FROM stored_events
WHERE topic = ANY(%s) AND recorded_at >= %s GROUP BY originator_id
"""


class BackupRefused(Exception):
    """The file is no backup that may be restored. The message says why."""


class BackedUpKey(NamedTuple):
    """A row of `data_keys`."""

    subject_id: UUID
    wrapped: bytes | None
    kek_id: str
    created_at: datetime
    erased_at: datetime | None
    receipt: bytes | None


class Head(NamedTuple):
    """The first line of a backup."""

    form: str
    made_at: datetime


class WrittenBackup(NamedTuple):
    """What `write_backup` has done. `unknown`: files that never expire, as their names say no time."""

    file: Path
    keys: int
    unknown: list[Path]


class Backup(NamedTuple):
    """A file that `open_backup` has checked."""

    file: Path
    made_at: datetime


class LoggedErasure(NamedTuple):
    """The last event that erased a stream: its version, and when it was recorded."""

    version: int
    at: datetime


class RestoredKeys(NamedTuple):
    """How many data keys were restored, and how many receipts of erased ones."""

    keys: int
    receipts: int


def write_backup(connection: Connection, stamps: StoreKeys, folder: Path, now: datetime) -> WrittenBackup:
    """Write all data keys into a private file of the folder. Removes expired ones, also unfinished ones.

    Raises:
        OSError: the folder or the file cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, lines, content = folder / now.strftime(NAME), 0, hashlib.sha256()
    draft = file.with_suffix(DRAFT)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as output:
            for line in _lines(connection, Head(FORM, now)):
                lines += 1
                content.update(line)
                output.write(line)
            output.write(_line(stamps.stamp(_message(content.digest()))))
            output.flush()
            os.fsync(output.fileno())
        draft.replace(file)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    return WrittenBackup(file, lines - 1, _remove_expired(folder, now))


def _remove_expired(folder: Path, now: datetime) -> list[Path]:
    """Remove the backups of a folder that have expired; return the files whose names say no time."""
    unknown = []
    for found in sorted([*folder.glob("data-keys-*.jsonl"), *folder.glob(f"data-keys-*{DRAFT}")]):
        try:
            made_at = datetime.strptime(f"{found.stem}.jsonl+0000", f"{NAME}%z")
        except ValueError:
            unknown.append(found)
            continue
        if made_at < now - KEPT_FOR:
            found.unlink(missing_ok=True)
    return unknown


def open_backup(file: Path, stamps: StoreKeys, now: datetime) -> Backup:
    """Read a file once, to see that it is a backup of this installation, unchanged and new enough.

    Raises:
        BackupRefused: it is not.
        OSError: it cannot be read.
    """
    content, first, last = hashlib.sha256(), b"", b""
    with file.open("rb") as lines:
        for line in lines:
            content.update(last)
            first, last = first or line, line
    try:
        head = msgspec.json.decode(first, type=Head)
        stamps.check(msgspec.json.decode(last, type=bytes), _message(content.digest()))
    except (msgspec.DecodeError, Damage) as reason:
        raise BackupRefused("it was changed, or is of another installation or store key") from reason
    if head.form != FORM:
        raise BackupRefused("it has another form than this release reads")
    if head.made_at < now - KEPT_FOR:
        raise BackupRefused(f"it is from {head.made_at:%F}, and older than {KEPT_FOR.days} days")
    return Backup(file, head.made_at)


def restore_backup(
    connection: Connection, stamps: StoreKeys, kek_ids: Collection[str], backup: Backup, erasing: Collection[str]
) -> RestoredKeys:
    """Add the data keys of a backup that the database lacks. What it has stays: also what is erased.

    A key that an event of the log has destroyed since is never there again, not even until the commit: its receipt is.
    `kek_ids`: the key-encryption keys of this installation; `erasing`: the topics of the events that erase.

    Raises:
        BackupRefused: a key-encryption key is not known.
        OSError: the file cannot be read.
    """
    keys = gone = 0
    with connection.transaction():
        connection.execute(LOCK_APPENDS)
        erased = _erased_since(connection, backup.made_at - MARGIN, erasing)
        with connection.cursor() as cursor:
            for batch in _batches(_keys(backup.file)):
                if unknown := {key.kek_id for key in batch} - {*kek_ids}:
                    raise BackupRefused(f"its keys are wrapped by '{min(unknown)}', which is not in the key document")
                restored = [_without_erased(key, erased.get(key.subject_id), stamps) for key in batch]
                cursor.executemany(INSERT, [key for key in restored if key.wrapped is not None])
                keys += cursor.rowcount
                cursor.executemany(INSERT, [key for key in restored if key.wrapped is None])
                gone += cursor.rowcount
    return RestoredKeys(keys, gone)


def _erased_since(connection: Connection, since: datetime, erasing: Collection[str]) -> dict[UUID, LoggedErasure]:
    rows = connection.execute(ERASED_SINCE, [[*erasing], since])
    return {id: LoggedErasure(version, at) for id, version, at in rows}


def _without_erased(key: BackedUpKey, erasure: LoggedErasure | None, stamps: StoreKeys) -> BackedUpKey:
    """The key; only a receipt if the log has erased the subject after the key was made.

    The receipt beside a key names the erasure before it. There is none if the subject had no key at that time.
    """
    if erasure is None or erasure.at <= key.created_at or erasure.version <= receipts.erasure_in(key.receipt):
        return key
    receipt = receipts.receipt(stamps, key.subject_id, erasure.at, erasure.version)
    return key._replace(wrapped=None, erased_at=erasure.at, receipt=receipt)


def _lines(connection: Connection, head: Head) -> Iterator[bytes]:
    yield _line(head)
    with connection.transaction(), connection.cursor("data_keys") as cursor:
        cursor.itersize = READ_BATCH
        for row in cursor.execute(ROWS):
            yield _line(BackedUpKey(*row))


def _line(value: object) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _message(digest: bytes) -> bytes:
    return framed(Purpose.KEY_BACKUP, digest)


def _keys(file: Path) -> Iterator[BackedUpKey]:
    with file.open("rb") as lines:
        next(lines)
        line = next(lines)
        for following in lines:  # the last one is the stamp
            yield msgspec.json.decode(line, type=BackedUpKey)
            line = following


def _batches(keys: Iterable[BackedUpKey]) -> Iterator[Sequence[BackedUpKey]]:
    batch: list[BackedUpKey] = []
    for key in keys:
        batch.append(key)
        if len(batch) == READ_BATCH:
            yield batch
            batch = []
    yield batch
