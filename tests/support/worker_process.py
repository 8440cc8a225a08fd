"""`palimpsest worker` as a process that is killed when it has performed a job and is about to write that down.

`KILL_AT_JOB` is the id of the job. Without it the process is an ordinary worker, which only notices lost ones sooner.
It is forked from one that has imported everything, since most of the time of a start is that.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

from application.discovery import import_all
from infra.cli.main import main
from infra.jobs import ends, heartbeats, stalled
from infra.jobs.ends import EndedTry
from infra.postgres.database import Database

KILL_AT_JOB = "KILL_AT_JOB"

end_tries = ends.end_tries


async def end_or_die(database: Database, tries: Sequence[EndedTry]) -> set[int]:
    """End this process at the job, in place of writing its end."""
    if os.environ.get(KILL_AT_JOB) in [str(job.id) for job, _ in tries]:
        os.kill(os.getpid(), signal.SIGKILL)
    return await end_tries(database, tries)


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
    heartbeats.HEARTBEAT_SECONDS = 0.2
    stalled.LOOK_SECONDS, stalled.STALL_SECONDS, stalled.MAX_GAP_SECONDS = 0.1, 2.0, 10.0
    sys.argv = ["palimpsest", "worker"]
    main()


import_all("application")
import_all("infra.bootstrap")
