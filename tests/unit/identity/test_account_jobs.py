"""Retries of the jobs of accounts: a request that was answered with 202 outlasts an outage."""

import pytest

from application.identity.account_jobs import AccountMail, FindAccountForLink, OpenRequestedAccount
from application.jobs import Job
from infra.jobs.retry import JobFailure, Status, after, is_too_late

OUTAGE = JobFailure("Unavailable")


@pytest.mark.parametrize(("kind", "hours"), [(OpenRequestedAccount, 6), (FindAccountForLink, 1), (AccountMail, 24)])
def test_a_job_of_an_account_is_tried_again_until_its_deadline(kind: type[Job], hours: int) -> None:
    args, seconds = {"kind": kind.kind, "due": 0}, hours * 3600
    assert after(OUTAGE, args, tries=1000, now=seconds - 301).status is Status.WAITING
    assert not is_too_late(args, seconds)
    assert is_too_late(args, seconds + 1)


def test_registrations_come_before_requests_for_links() -> None:
    """Anonymous requests for links must not hold up people who register."""
    assert OpenRequestedAccount.queue == FindAccountForLink.queue
    assert OpenRequestedAccount.priority > FindAccountForLink.priority
