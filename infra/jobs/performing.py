"""Performs one try of a job: within its time, and with an outcome whatever happens."""

import asyncio
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from application.cause import working_for
from application.jobs import perform
from infra.jobs.encoding import JobCodec, cause_of, kind_of
from infra.jobs.retry import (
    BROKEN,
    CANCELLED,
    DONE,
    HANDED_BACK,
    TOO_LATE,
    JobFailure,
    Outcome,
    Status,
    after,
    failure_of,
    is_too_late,
)

ObserveTry = Callable[[str, Outcome, float], None]

log = structlog.get_logger(__name__)


class JobPerformer:
    """Performs jobs with these ports. `observe` receives kind, outcome and seconds of each try."""

    def __init__(self, codec: JobCodec, ports: Mapping[str, Any], observe: ObserveTry) -> None:
        self._codec = codec
        self._ports = ports
        self._observe = observe

    async def perform(
        self,
        job_id: int,
        args: Mapping[str, Any],
        earlier_tries: int,
        *,
        is_shutdown: Callable[[], bool],
        record: Callable[[Outcome], None],
    ) -> None:
        """Perform the job of `args` once, and hand the outcome to `record`.

        `is_shutdown`: whether a cancellation of this task is because the worker stops, and not of the job itself.

        Raises:
            asyncio.CancelledError: the task was cancelled; `record` has been called.
        """
        kind = str(args.get("kind"))
        # Of this task only: procrastinate makes one for each job.
        structlog.contextvars.bind_contextvars(job=job_id, kind=kind)
        started = time.monotonic()
        outcome = BROKEN
        try:
            outcome = await self._try(args, earlier_tries + 1)
        except asyncio.CancelledError:
            outcome = HANDED_BACK if is_shutdown() else CANCELLED
            raise
        finally:
            record(outcome)
            self._observe(kind, outcome, time.monotonic() - started)
            log.debug("job tried", number=earlier_tries + 1, outcome=outcome.status)

    async def _try(self, args: Mapping[str, Any], number: int) -> Outcome:
        if is_too_late(args, time.time()):
            return _failed(args, number, TOO_LATE)
        try:
            with working_for(cause_of(args)):
                async with asyncio.timeout(kind_of(args).run_timeout.total_seconds()):
                    await perform(self._codec.decode(args), self._ports)
        except Exception as error:
            return _failed(args, number, failure_of(error), _where(error))
        return DONE


def _failed(args: Mapping[str, Any], number: int, failure: JobFailure, where: str = "") -> Outcome:
    outcome = after(failure, args, number, time.time())
    write = log.error if outcome.status is Status.DEAD else log.warning
    write(
        "job is dead" if outcome.status is Status.DEAD else "job failed; it will be tried again",
        number=number,
        error=failure.error,
        reason=failure.reason,
        where=where,
    )
    return outcome


def _where(error: Exception) -> str:
    """The place where an error was raised; its message and its values are not for logs."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.filename}:{last.lineno}"
