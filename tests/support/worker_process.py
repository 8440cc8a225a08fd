"""`palimpsest worker` as a process that is killed at a certain point.

`KILL_AT_JOB`: the id of a job that it has performed and is about to note. `KILL_AT_STEP`: "before" or "after", and a
step of a generation. Without them the process is an ordinary worker, which only notices lost ones sooner. It is forked
from one that has imported everything, since most of the time of a start is that.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from adapters.provider.openai_provider import OpenAIProvider
from application.discovery import import_all
from infra.bootstrap.worker import UserSender
from infra.cli.main import main
from infra.generation.partial_texts import PostgresPartialTexts
from infra.jobs import ends, heartbeats, stalled
from infra.jobs.ends import EndedTry
from infra.postgres.database import Database

KILL_AT_JOB = "KILL_AT_JOB"
KILL_AT_STEP = "KILL_AT_STEP"
STEPS = ("StartAttempt", "ask", "append", "RecordAnswer", "remove")
"""What a worker does for a generation: it starts an attempt, asks the provider, keeps pieces, records the answer, and
removes the pieces."""

end_tries = ends.end_tries


async def end_or_die(database: Database, tries: Sequence[EndedTry]) -> set[int]:
    """End this process at the job, in place of writing its end."""
    if os.environ.get(KILL_AT_JOB) in [str(job.id) for job, _ in tries]:
        os.kill(os.getpid(), signal.SIGKILL)
    return await end_tries(database, tries)


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


def start(variables: Mapping[str, str], log: Path) -> BaseProcess:
    """Start a worker with these variables of the environment."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    process = context.Process(target=_run, args=(dict(variables), log))
    process.start()
    return process


def _run(variables: Mapping[str, str], log: Path) -> None:
    os.environ.update(variables)
    with log.open("ab") as output:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(output.fileno(), stream.fileno())
    ends.end_tries = end_or_die
    step = os.environ.get(KILL_AT_STEP, "")
    for owner, method in (
        (UserSender, "__call__"),
        (OpenAIProvider, "_ask"),
        (PostgresPartialTexts, "append"),
        (PostgresPartialTexts, "remove"),
    ):
        die_at(step, owner, method)
    heartbeats.HEARTBEAT_SECONDS = 0.2
    stalled.LOOK_SECONDS, stalled.STALL_SECONDS, stalled.MAX_GAP_SECONDS = 0.1, 2.0, 10.0
    sys.argv = ["palimpsest", "worker"]
    main()


import_all("application")
import_all("infra.bootstrap")
