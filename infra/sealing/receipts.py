"""Receipts of erasures: a stamp under the store key shows that a subject's data key was destroyed, and when.

A receipt has 21 bytes: format (1) and stamp (20). It is what tells erased data from damaged data.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from infra.sealing.store_keys import FORMAT, Damage, Purpose, StoreKeys, framed

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def receipt(stamps: StoreKeys, subject_id: UUID, erased_at: datetime) -> bytes:
    """Return the receipt of an erasure at `erased_at`, which is stored beside it."""
    return bytes((FORMAT,)) + stamps.stamp(_message(subject_id, erased_at))


def check(stamps: StoreKeys, subject_id: UUID, erased_at: datetime | None, receipt: bytes) -> None:
    """Check a stored receipt.

    Raises:
        Damage: it is not the receipt of this subject's erasure at this time.
    """
    if erased_at is None or receipt[:1] != bytes((FORMAT,)):
        raise Damage("not a receipt of this format")
    stamps.check(receipt[1:], _message(subject_id, erased_at))


def _message(subject_id: UUID, erased_at: datetime) -> bytes:
    """Bind the subject, and the time in microseconds since 1970 (8 bytes)."""
    microseconds = (erased_at - _EPOCH) // _MICROSECOND
    return framed(Purpose.RECEIPT, subject_id.bytes, microseconds.to_bytes(8, "big", signed=True))
