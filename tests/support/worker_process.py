"""`palimpsest worker` as a process that is killed at a certain point.

`KILL_AT_JOB`: the id of a job that it has performed and is about to note. `KILL_AT_STEP`: "before" or "after", and a
step of a generation. Without them the process is an ordinary worker, which only notices lost ones sooner, and tries
jobs again at once.
"""

import os
import signal
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from adapters.provider.openai_batches import OpenAIBatches
from adapters.provider.openai_provider import OpenAIProvider
from application.generation import batch_following, batching
from application.jobs import Retries
from infra.bootstrap.worker import UserSender
from infra.cli.main import main
from infra.generation.partial_texts import PostgresPartialTexts
from infra.jobs import ends, heartbeats, retry, stalled
from infra.jobs.ends import EndedTry
from infra.postgres.database import Database
from tests.support.forks import ForkedProgram

KILL_AT_JOB = "KILL_AT_JOB"
KILL_AT_STEP = "KILL_AT_STEP"
BATCH_STEPS = ("StartAttempt", "upload", "begin", "results", "RecordAnswer", "clear")
"""What a worker does for a batch: it starts its attempts, sends its file, lets it begin, reads its results, records
them, and deletes its files."""
STEPS = ("StartAttempt", "ask", "append", "RecordAnswer", "remove")
"""What a worker does for a generation: it starts an attempt, asks the provider, keeps pieces, records the answer, and
removes the pieces."""

end_tries, next_delay = ends.end_tries, retry.next_delay


async def end_or_die(database: Database, tries: Sequence[EndedTry]) -> set[int]:
    """End this process at the job, in place of writing its end."""
    if os.environ.get(KILL_AT_JOB) in [str(job.id) for job, _ in tries]:
        os.kill(os.getpid(), signal.SIGKILL)
    return await end_tries(database, tries)


def at_once(retries: Retries, tries: int) -> float | None:
    """Stand for `next_delay`: as many tries, without pauses."""
    return None if next_delay(retries, tries) is None else 0.0


def die_at(step: str, owner: type[Any], method: str) -> None:
    """Let this process end before or after the first call of a method that is a step: a command, or the method."""
    original = getattr(owner, method)

    async def dying(self: Any, first: Any, *others: Any) -> Any:
        name = type(first).__name__ if method == "__call__" else method.strip("_")
        if step == f"before {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        result = await original(self, first, *others)
        if step == f"after {name}":
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, dying)


def worker_process(variables: Mapping[str, str], log: Path) -> ForkedProgram:
    """A worker with these variables of the environment."""
    return ForkedProgram("tests.support.worker_process", "worker", environment={**os.environ, **variables}, log=log)


def run() -> None:
    """Work as the environment says."""
    ends.end_tries = end_or_die
    step = os.environ.get(KILL_AT_STEP, "")
    for owner, method in (
        (UserSender, "__call__"),
        (OpenAIProvider, "_ask"),
        *((OpenAIBatches, method) for method in ("upload", "begin", "results", "clear")),
        (PostgresPartialTexts, "append"),
        (PostgresPartialTexts, "remove"),
    ):
        die_at(step, owner, method)
    retry.next_delay = at_once
    batching.SUBMIT_TIME, batch_following.LOST_AFTER = timedelta(seconds=2), timedelta(seconds=4)
    heartbeats.HEARTBEAT_SECONDS = 0.2
    stalled.LOOK_SECONDS, stalled.STALL_SECONDS, stalled.MAX_GAP_SECONDS = 0.1, 2.0, 10.0
    main()


if __name__ == "__main__":
    run()
