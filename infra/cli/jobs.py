"""`palimpsest jobs`: shows the queue of jobs, and manages its dead jobs."""

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from infra.cli.options import AsJson
from infra.cli.queue_database import queue_database
from infra.cli.terminal import Terminal, failure
from infra.jobs import dead_letters
from infra.jobs.inspection import UNENDED, JobHistory, JobStatus, JobSummary, history_of, list_jobs

app = typer.Typer(help="Manage the jobs.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Terminal()

Id = Annotated[int, typer.Argument(help="Id of the job, from `palimpsest jobs list`")]
DeadId = Annotated[int | None, typer.Argument(help="Id of the dead job, from `palimpsest jobs list`")]
OfKind = Annotated[str | None, typer.Option("--kind", help="All dead jobs of this kind.")]


@app.command("list")
def show_all(
    kind: Annotated[str | None, typer.Option(help="Only jobs of this kind.")] = None,
    status: Annotated[
        list[JobStatus] | None, typer.Option(help="Only jobs in this state; default: all that have not ended.")
    ] = None,
    limit: Annotated[int, typer.Option(help="At most so many, the newest ones.", min=1, max=100_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show jobs, the newest first: those that wait, run or are dead."""
    with queue_database() as connection:
        found = list_jobs(connection, kind, status or UNENDED, limit)
    if as_json:
        typer.echo(_json([asdict(job) for job in found]))
        return
    table = Table(
        Column("id", no_wrap=True), Column("kind", no_wrap=True), "queue", "state", "tries", "due", "last error"
    )
    for job in found:
        table.add_row(str(job.id), job.kind, job.queue, job.status, str(job.tries), _time(job.due), _last_error(job))
    console.print(table if found else "There are no such jobs.")
    if any(job.status == JobStatus.DEAD for job in found):
        console.print("Why a job is dead: palimpsest jobs show ID. Try it again: palimpsest jobs retry ID")


@app.command()
def show(id: Id, as_json: AsJson = False) -> None:
    """Show a job: its tries, its errors and its times, and its fields but for the sealed ones."""
    with queue_database() as connection:
        found = history_of(connection, id)
    if found is None:
        raise failure(f"There is no job {id}. Jobs that ended long ago are deleted.")
    if as_json:
        typer.echo(_json(asdict(found)))
        return
    _print(found)
    console.print(_next_step(found.job), style="yellow")


@app.command()
def retry(id: DeadId = None, kind: OfKind = None) -> None:
    """Try a dead job again, as if it were new, or all of a kind."""
    retried = _dead(dead_letters.retry, id, kind)
    console.print(f"Waiting again: {retried}. Watch: palimpsest jobs list")


@app.command()
def discard(id: DeadId = None, kind: OfKind = None) -> None:
    """Delete a dead job, or all of a kind, for good."""
    console.print(f"Discarded: {_dead(dead_letters.discard, id, kind)}.")


@app.command()
def cancel(id: Id) -> None:
    """Cancel a job that waits or runs. A running one is stopped within seconds."""
    with queue_database() as connection:
        cancelled = dead_letters.cancel(connection, id)
    if not cancelled:
        raise failure(f"Job {id} neither waits nor runs. See: palimpsest jobs show {id}")
    console.print(f"Job {id} is cancelled, or will be within seconds. See: palimpsest jobs show {id}")


def _dead(act: Callable[..., list[int]], id: int | None, kind: str | None) -> str:
    """Do something with dead jobs. Returns what was found, for people."""
    if (id is None) == (kind is None):
        raise failure("Name one job by its id, or all dead jobs of a kind with --kind.")
    with queue_database() as connection:
        done = act(connection, id=id, kind=kind)
    if not done:
        raise failure("There is no such dead job. See: palimpsest jobs list --status dead")
    return f"job {done[0]}" if kind is None else f"{len(done)} jobs of the kind {kind}"


def _print(found: JobHistory) -> None:
    job = found.job
    lines = {
        "job": f"{job.id}, {job.kind}, {job.status}",
        "effect key": job.effect_key,
        "queue": f"{job.queue}, priority {job.priority}",
        "lock": job.lock or "none",
        "fields": json.dumps(job.fields) + (", and sealed ones" if job.has_sealed_fields else ""),
        "due": _time(job.due),
        "next try": _time(job.next_try) if job.next_try else "",
        "tries": str(job.tries),
    }
    for name, text in lines.items():
        if text:
            console.print(f"{name:<12}{text}")
    for error in found.errors:
        reason = f": {error.reason}" if error.reason else ""
        console.print(f"{'failed':<12}{_time(error.at)}, try {error.number}, {error.error}{reason}")
    for time in found.times:
        console.print(f"{'history':<12}{_time(time.at)}, {time.what}")


def _next_step(job: JobSummary) -> str:
    if job.status == JobStatus.DEAD:
        return f"Try it again: palimpsest jobs retry {job.id}. Give it up: palimpsest jobs discard {job.id}"
    if job.status in (JobStatus.WAITING, JobStatus.RUNNING):
        return f"Cancel it: palimpsest jobs cancel {job.id}"
    return "Nothing is left to do."


def _last_error(job: JobSummary) -> str:
    return ": ".join(filter(None, (job.error, job.reason)))


def _time(moment: datetime) -> str:
    return f"{moment:%F %T %Z}"


def _json(value: Any) -> str:
    return json.dumps(value, default=lambda moment: moment.isoformat())
