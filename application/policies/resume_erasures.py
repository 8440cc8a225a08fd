"""Policy: what a legal hold has stopped goes on when the hold is lifted."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.privacy.resuming import ResumeErasure
from domain.privacy.erasure_record import ErasureRecord


@policy()
def resume_erasures(event: ErasureRecord.HoldLifted) -> Iterable[Reaction]:
    yield ResumeErasure(record_id=event.originator_id, version=event.originator_version)
