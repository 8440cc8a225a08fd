"""Users, teams and addresses that a legal hold keeps: nothing of theirs is erased."""

from uuid import UUID

from application.ports import Store
from domain.privacy.erasure_record import ErasureRecord


async def require_not_held(store: Store, subject_id: UUID) -> None:
    """Refuse an erasure of something that belongs to a held user, team or address.

    The append checks that it is still not held.

    Raises:
        ErasureIsHeld: a legal hold is in force.
    """
    record = await store.basis(ErasureRecord, ErasureRecord.id_of(subject_id))
    if record is not None:
        record.require_not_held()


async def is_held(store: Store, subject_id: UUID) -> bool:
    """Return whether a legal hold is in force on a user, a team or an address. The append checks it again."""
    record = await store.basis(ErasureRecord, ErasureRecord.id_of(subject_id))
    return record is not None and record.held
