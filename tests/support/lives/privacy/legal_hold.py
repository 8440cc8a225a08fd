"""The lives of legal holds, and of the record that they are noted in."""

from uuid import UUID

from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold
from tests.support.given import ID, NOW
from tests.support.lives.kernel import LATER, life

HOLD_ID = UUID(int=0x401D)


@life
def legal_hold() -> LegalHold:
    """Placed, kept when its end was declined, lifted and erased."""
    hold = LegalHold.ask("user", ID, id=HOLD_ID, reason="Court of Otterton, 12/26", by="Kim", now=NOW)
    hold.confirm(by="Lee", now=LATER)
    hold.ask_for_lifting(by="Lee", now=LATER)
    hold.decline(by="Kim", now=LATER)
    hold.ask_for_lifting(by="Kim", now=LATER)
    hold.confirm(by="Lee", now=LATER)
    hold.erase(now=LATER)
    return hold


@life
def declined_hold() -> LegalHold:
    """Declined by the person who asked."""
    hold = LegalHold.ask("team", ID, id=UUID(int=0x401E), reason="A mistake", by="Kim", now=NOW)
    hold.decline(by="Kim", now=LATER)
    return hold


@life
def erasure_record() -> ErasureRecord:
    """With a hold that was lifted."""
    record = ErasureRecord.open("user", ID, now=NOW)
    record.note_request(HOLD_ID, now=NOW)
    record.place(HOLD_ID, now=LATER)
    record.lift(HOLD_ID, now=LATER)
    return record
