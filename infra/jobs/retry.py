"""What becomes of a job after a try: done, another try after a pause, dead, cancelled, or handed back."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from application.jobs import Job, JobFailed, Retries
from application.ports import Busy, InFlight, Unavailable, Unreadable
from domain.kernel import Refusal
from infra.jobs.encoding import UnknownForm, UnknownKind, kind_of
from infra.sealing.key_encryption import UnknownKey

UNKNOWN_RETRIES = Retries(delays=(60,), repeat_last=True)
"""During a deployment a worker of one version may meet kinds and forms of jobs of the other one."""


TRANSIENT = (Busy, InFlight, UnknownKey)
"""A repeat may help: others change the same thing just now, or a new key has not reached this process yet."""


class Status(StrEnum):
    """The states of a job in the database, which are procrastinate's."""

    WAITING = "todo"
    RUNNING = "doing"
    DONE = "succeeded"
    DEAD = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a try.

    `is_try`: it counts as a try. `delay`: seconds until the next one. `error`: the class of the error or the code of
    the refusal; `reason`: a text for operators, without personal data.
    """

    status: Status
    is_try: bool = True
    delay: float = 0.0
    error: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class JobFailure:
    """Why a try failed. A final one is not tried again.

    `retry_after`: the shortest pause until the next try, in seconds. `retries`: in place of those of the kind.
    """

    error: str
    reason: str | None = None
    is_final: bool = False
    retry_after: float = 0.0
    retries: Retries | None = None


DONE = Outcome(Status.DONE)
CANCELLED = Outcome(Status.ABORTED)
HANDED_BACK = Outcome(Status.WAITING, is_try=False)
"""The worker stops before the job is done: another worker starts the job from its beginning."""

BROKEN = Outcome(Status.DEAD, error="BrokenJob", reason="what is kept of it is not a job")
TOO_LATE = JobFailure("DeadlinePassed", "it waited until it was not worth doing any more", is_final=True)
WORKER_LOST = JobFailure("WorkerLost", "the process that performed it has ended or hangs")


def failure_of(error: Exception) -> JobFailure:
    """Describe an error without its message, which may contain personal data."""
    if isinstance(error, JobFailed):
        return JobFailure("JobFailed", error.reason, is_final=True)
    if isinstance(error, Unavailable):
        return JobFailure(type(error).__name__, retry_after=error.retry_after)
    if isinstance(error, UnknownKind | UnknownForm):
        return JobFailure(type(error).__name__, retries=UNKNOWN_RETRIES)
    is_final = isinstance(error, Refusal | Unreadable) and not isinstance(error, TRANSIENT)
    return JobFailure(error.code if isinstance(error, Refusal) else type(error).__name__, is_final=is_final)


def after(failure: JobFailure, args: Mapping[str, Any], tries: int, now: float) -> Outcome:
    """Decide what becomes of a job.

    `args`: its encoded form; `tries`: the number of tries so far, with the failed one; `now`: seconds since 1970.
    """
    retries, deadline = _policy(args)
    jitter = None if failure.is_final else next_delay(failure.retries or retries, tries)
    # Added, so that jobs that failed together are not tried again together.
    delay = None if jitter is None else failure.retry_after + jitter
    if delay is None or now + delay > args["due"] + deadline.total_seconds():
        return Outcome(Status.DEAD, error=failure.error, reason=failure.reason)
    return Outcome(Status.WAITING, delay=delay, error=failure.error, reason=failure.reason)


def is_too_late(args: Mapping[str, Any], now: float) -> bool:
    """Whether the deadline of a job has passed. `now`: seconds since 1970."""
    return bool(now > args["due"] + _policy(args)[1].total_seconds())


def next_delay(retries: Retries, tries: int) -> float | None:
    """Return the seconds until the next try, with full jitter; None: there is none. `tries`: the number so far."""
    if tries <= len(retries.delays):
        limit = retries.delays[tries - 1]
    elif retries.repeat_last:
        limit = retries.delays[-1]
    else:
        return None
    return random.uniform(0, limit)  # noqa: S311


def _policy(args: Mapping[str, Any]) -> tuple[Retries, timedelta]:
    try:
        job_type = kind_of(args)
    except UnknownKind:
        return UNKNOWN_RETRIES, Job.deadline
    return job_type.retries, job_type.deadline
