"""Legal holds stay private."""

from adapters.integration_events.kernel import keep_private
from domain.privacy.erasure_record import ErasureRecord
from domain.privacy.legal_hold import LegalHold

for event in (
    ErasureRecord.Opened,
    ErasureRecord.HoldAsked,
    ErasureRecord.HoldPlaced,
    ErasureRecord.HoldLifted,
    LegalHold.Asked,
    LegalHold.Placed,
    LegalHold.Declined,
    LegalHold.LiftingAsked,
    LegalHold.LiftingDeclined,
    LegalHold.Lifted,
    LegalHold.Erased,
):
    keep_private(event, "who is held, and why, is only for those whom the law names")
