"""The policy of erasures that a hold has stopped: the end of each hold causes one job, which names that event."""

from typing import Any, cast

from application.policies.resume_erasures import resume_erasures
from application.privacy.resuming import ResumeErasure
from domain.privacy.erasure_record import ErasureRecord
from tests.support.given import ID, NOW
from tests.support.lives.privacy.legal_hold import HOLD_ID


def test_the_end_of_a_hold_resumes_what_it_has_stopped() -> None:
    record = ErasureRecord.open("user", ID, now=NOW)
    record.place(HOLD_ID, now=NOW)
    record.lift(HOLD_ID, now=NOW)
    caused = list(resume_erasures(cast(Any, record.pending_events[-1])))
    assert caused == [ResumeErasure(record_id=ErasureRecord.id_of(ID), version=3)]
