"""The policy of mails about access requests: at most one an hour for each document, and no request is left out."""

from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from application.policies.tell_of_access_requests import tell_of_access_requests
from application.request_notices import MAIL_INTERVAL, TellOfAccessRequests, ToldRequests
from domain.content.access_request import AccessRequest
from tests.support.given import ID, NOW


def told(*asked: datetime) -> list[datetime]:
    """The times at which mails are due when somebody asks at these times."""
    state, due = ToldRequests(), []
    for moment in asked:
        values = {"document_id": ID, "user_id": UUID(int=2), "role": "viewer"}
        event = AccessRequest.Asked(originator_id=UUID(int=3), originator_version=1, timestamp=moment, **values)
        step = tell_of_access_requests(event, state)
        assert step.state is not None
        state = step.state
        jobs = [job for job in step.reactions if isinstance(job, TellOfAccessRequests)]
        assert all(job.document_id == ID and job.not_before == job.due for job in jobs)
        due += [job.due for job in jobs]
    return due


def test_the_first_request_is_told_at_once_and_others_at_the_end_of_the_hour() -> None:
    minute = timedelta(minutes=1)
    assert told(NOW) == [NOW]
    assert told(NOW, NOW + minute, NOW + 2 * minute) == [NOW, NOW + MAIL_INTERVAL]
    assert told(NOW, NOW + 61 * minute) == [NOW, NOW + 61 * minute]


@given(st.lists(st.integers(0, 20_000), min_size=1, max_size=60).map(sorted))
def test_mails_are_an_hour_apart_and_each_request_has_one_within_an_hour(seconds: list[int]) -> None:
    asked = [NOW + timedelta(seconds=each) for each in seconds]
    due = told(*asked)
    assert all(later - earlier >= MAIL_INTERVAL for earlier, later in pairwise(due))
    assert all(any(moment <= mail <= moment + MAIL_INTERVAL for mail in due) for moment in asked)
