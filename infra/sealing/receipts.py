"""Receipts of erasures: a stamp under the store key shows which data keys of a subject were destroyed, and when.

A receipt has 25 bytes: format (1), stamp (20), and the version of the event that erased the subject (4): it counts for
what was sealed before that event. It is what tells erased data from damaged data.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.sealing.store_keys import FORMAT, Damage, Purpose, StoreKeys, framed

ERASURE_BYTES = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def receipt(stamps: StoreKeys, subject_id: UUID, erased_at: datetime, erasure: int) -> bytes:
    """Return the receipt of an erasure by the event of version `erasure` at `erased_at`, which is stored beside it."""
    version = erasure.to_bytes(ERASURE_BYTES, "big")
    return bytes((FORMAT,)) + stamps.stamp(_message(subject_id, erased_at, version)) + version


def check(stamps: StoreKeys, subject_id: UUID, erased_at: datetime | None, receipt: bytes) -> int:
    """Check a stored receipt. Returns the version of the event that erased the subject.

    Raises:
        Damage: it is not the receipt of this subject's erasure at this time.
    """
    if erased_at is None or receipt[:1] != bytes((FORMAT,)):
        raise Damage("not a receipt of this format")
    stamp, version = receipt[1:-ERASURE_BYTES], receipt[-ERASURE_BYTES:]
    stamps.check(stamp, _message(subject_id, erased_at, version))
    return erasure_in(receipt)


def erasure_in(receipt: bytes | None) -> int:
    """Return the version of the event that erased the subject, as a receipt says it, unchecked; 0: there is none."""
    return 0 if receipt is None else int.from_bytes(receipt[-ERASURE_BYTES:], "big")


def _message(subject_id: UUID, erased_at: datetime, version: bytes) -> bytes:
    """Bind the subject, the time in microseconds since 1970 (8 bytes), and the version."""
    microseconds = (erased_at - _EPOCH) // _MICROSECOND
    return framed(Purpose.RECEIPT, subject_id.bytes, microseconds.to_bytes(8, "big", signed=True), version)
