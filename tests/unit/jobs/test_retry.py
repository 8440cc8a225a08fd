"""What becomes of a job after a try."""

from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.jobs import JobFailed, Retries
from application.ports import Busy, InFlight, Unavailable, Unreadable
from domain.kernel import NotFound
from infra.jobs.encoding import UnknownForm, UnknownKind
from infra.jobs.retry import UNKNOWN_RETRIES, JobFailure, Status, after, failure_of, is_too_late, next_delay
from infra.sealing.key_encryption import UnknownKey
from infra.sealing.store_keys import Damage
from tests.support.jobs import Greet, register

ERROR = JobFailure("ValueError")


class GreetForHours(Greet, frozen=True, kw_only=True):
    """It is worth doing for an hour, and repeated until then."""

    kind: ClassVar[str] = "greet_for_hours"
    retries: ClassVar[Retries] = Retries(delays=(1, 600), repeat_last=True)
    deadline: ClassVar[timedelta] = timedelta(hours=1)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(job: Greet) -> None: ...
    async def greet_for_hours(job: GreetForHours) -> None: ...

    register(monkeypatch, greet)
    register(monkeypatch, greet_for_hours)


def due(kind: str, at: float = 0) -> dict[str, Any]:
    return {"kind": kind, "due": at}


@given(st.integers(1, 5))
def test_each_pause_is_at_most_twice_as_long_as_the_one_before(tries: int) -> None:
    delay = next_delay(Retries(), tries)
    assert delay is not None
    assert 0 <= delay <= 2 ** (tries - 1)


def test_there_are_five_more_tries_after_the_first() -> None:
    assert next_delay(Retries(), 5) is not None
    assert next_delay(Retries(), 6) is None


def test_the_last_pause_is_repeated_where_the_kind_says_so() -> None:
    delay = next_delay(GreetForHours.retries, 1000)
    assert delay is not None
    assert delay <= 600


def test_a_failed_job_waits_for_its_next_try() -> None:
    outcome = after(ERROR, due("greet"), 2, now=5)
    assert (outcome.status, outcome.is_try, outcome.error) == (Status.WAITING, True, "ValueError")


def test_a_job_is_dead_after_its_last_try() -> None:
    assert after(ERROR, due("greet"), 3, now=5).status is Status.DEAD


def test_a_job_whose_next_try_is_past_its_deadline_is_dead() -> None:
    assert after(ERROR, due("greet_for_hours"), 3, now=2_999).status is Status.WAITING
    assert after(ERROR, due("greet_for_hours"), 3, now=3_601).status is Status.DEAD


def test_the_deadline_counts_from_when_the_job_was_due() -> None:
    assert not is_too_late(due("greet_for_hours", at=100), now=3_700)
    assert is_too_late(due("greet_for_hours", at=100), now=3_701)


def test_a_kind_that_is_not_known_yet_waits_for_a_worker_that_knows_it() -> None:
    unknown = due("greet_from_tomorrow")
    assert after(JobFailure("UnknownKind"), unknown, 100, now=6_000).status is Status.WAITING
    assert after(JobFailure("UnknownKind"), unknown, 100, now=100_000).status is Status.DEAD


def test_a_form_that_is_not_known_yet_waits_for_a_worker_that_knows_it() -> None:
    """For longer than the kind itself is tried, and not past its deadline."""
    failure = failure_of(UnknownForm("fields"))
    assert after(failure, due("greet"), 100, now=6_000).status is Status.WAITING
    assert after(failure, due("greet_for_hours"), 100, now=3_601).status is Status.DEAD


def test_a_server_that_says_when_to_come_back_is_not_asked_earlier() -> None:
    outcomes = [after(failure_of(Unavailable("The door", 60)), due("greet_for_hours"), 1, now=0) for _ in range(20)]
    assert all(60 <= outcome.delay <= 61 for outcome in outcomes)
    assert len({outcome.delay for outcome in outcomes}) > 1


def test_a_job_that_may_be_tried_again_only_past_its_deadline_is_dead() -> None:
    failure = failure_of(Unavailable("The door", 60))
    assert after(failure, due("greet_for_hours"), 1, now=3_541).status is Status.DEAD


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (NotFound("There is no such door of Ana Canary."), JobFailure("not_found", is_final=True)),
        (JobFailed("the door is walled up"), JobFailure("JobFailed", "the door is walled up", is_final=True)),
        (Damage("bytes"), JobFailure("Damage", is_final=True)),
        (Unreadable("bytes"), JobFailure("Unreadable", is_final=True)),
        (Busy("Ana Canary"), JobFailure("busy")),
        (InFlight("Ana Canary"), JobFailure("in_flight")),
        (UnknownKey("key"), JobFailure("UnknownKey")),
        (Unavailable("The door"), JobFailure("Unavailable", retry_after=2)),
        (UnknownKind(), JobFailure("UnknownKind", retries=UNKNOWN_RETRIES)),
        (UnknownForm("fields"), JobFailure("UnknownForm", retries=UNKNOWN_RETRIES)),
        (ValueError("Ana Canary"), JobFailure("ValueError")),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_says_what_happened_and_quotes_nothing(error: Exception, failure: JobFailure) -> None:
    assert failure_of(error) == failure
