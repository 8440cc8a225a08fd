"""Commands for whoever looks after the read models."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from application.ports import Unavailable
from infra.bootstrap.lifetime import collect_rarely
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.postgres.projector_connection import connect
from infra.projector import checkpoints
from infra.projector.lag import lags
from infra.projector.quarantine import NotInQuarantine
from infra.projector.quarantine import retry as retry_stream
from infra.projector.rebuild.load_workers import LoadWorkerFailed, LoadWorkers
from infra.projector.rebuild.rebuild import RebuildResult, RebuildRunning
from infra.projector.rebuild.rebuild import rebuild as rebuild_model
from infra.projector.schema import ensure_tables
from infra.settings.model import load
from projections.kernel import ReadModel, read_models

T = TypeVar("T")

app = typer.Typer(
    help="Look after the read models.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Console()

Name = Annotated[str, typer.Argument(help="The read model, as `palimpsest projections list` calls it")]
Stream = Annotated[UUID, typer.Argument(help="The stream in quarantine")]


@app.command("list")
def show() -> None:
    """Show how far the read models have come, and which streams they leave out."""
    standings, cases = _run(_standings)
    table = Table("read model", "version", "position", "behind", "seconds", "in quarantine")
    for lag in standings:
        table.add_row(
            *map(str, (lag.name, lag.version, lag.position, lag.behind, f"{lag.seconds:.1f}", lag.quarantined))
        )
    console.print(table)
    for case in cases:
        # One line each, whatever the terminal's width: the id is there to be copied.
        console.print(
            f"In quarantine: {case.projection} {case.stream_id}, since its event at {case.position}"
            f" raised {case.error} ({case.at:%F %T %Z})",
            soft_wrap=True,
        )


@app.command()
def rebuild(
    name: Name,
    check: Annotated[bool, typer.Option("--check", help="Only compare with what serves; change nothing")] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="How many share the work of a long log; if not said: a core each, 4 at most"),
    ] = None,
) -> None:
    """Fill a read model anew from the whole log, beside the one that serves, compare, and swap it in."""
    model = _model(name)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task(f"rebuilding {name}", total=None)
        done = _run(
            lambda core: _rebuild(
                core,
                model,
                lambda position, goal: bar.update(task, completed=position, total=goal),
                swap=not check,
                helpers=None if processes is None else processes - 1,
            )
        )
    console.print(_told(done))
    if check and done.differing:
        raise typer.Exit(1)


@app.command()
def retry(name: Name, stream: Stream) -> None:
    """Let a stream out of quarantine: apply what it has missed."""
    _release(name, stream, skip=False)


@app.command()
def skip(name: Name, stream: Stream) -> None:
    """Let a stream out of quarantine without the event that failed. Rebuilds will do without it too."""
    _release(name, stream, skip=True)


def _release(name: str, stream: UUID, *, skip: bool) -> None:
    model = _model(name)
    poison = _run(lambda core: retry_stream(model, stream, core.feed(), core.url, skip=skip))
    if poison is not None:
        raise _fail(f"The stream stays in quarantine: its event at {poison.position} raises {poison.error}.")
    console.print(f"{name} has taken in the whole stream.")


def _told(done: RebuildResult) -> str:
    rows = f"{done.rows_after} rows at position {done.position}, {done.quarantined} streams in quarantine"
    if done.differing is None:
        return f"{rows}; there were {done.rows_before}, of another version or position."
    return f"{rows}; there were {done.rows_before}, and {done.differing} differ."


async def _standings(core: WriteSide) -> tuple[list[Any], list[checkpoints.QuarantinedStream]]:
    async with await connect(core.url) as connection:
        return await lags(connection, core.feed()), await checkpoints.list_quarantine(connection)


async def _rebuild(
    core: WriteSide, model: ReadModel, progress: Callable[[int, int], None], *, swap: bool, helpers: int | None
) -> RebuildResult:
    async with await connect(core.url) as connection:
        await ensure_tables(connection, [model])
    collect_rarely()
    feed = core.feed()
    return await rebuild_model(model, feed, core.url, progress, swap=swap, workers=LoadWorkers(feed, number=helpers))


def _model(name: str) -> ReadModel:
    models = {model.name: model for model in read_models()}
    if name not in models:
        raise _fail(f"There is no read model '{name}'. There are: {', '.join(models)}.")
    return models[name]


def _run(work: Callable[[WriteSide], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        async with open_write_side(load()) as core:
            return await work(core)

    try:
        return asyncio.run(run())
    except Unavailable as error:
        raise _fail(f"{error}. `palimpsest doctor` says more.") from None
    except psycopg.OperationalError as error:
        raise _fail(f"The database failed ({type(error).__name__}). `palimpsest doctor` says more.") from None
    except RebuildRunning:
        raise _fail("Another rebuild of this read model is under way; wait for it to end.") from None
    except LoadWorkerFailed as error:
        raise _fail(f"{error}. What serves was not changed. Try again; --processes 1 does without help.") from None
    except NotInQuarantine:
        raise _fail("That stream is not in quarantine there; see `palimpsest projections list`.") from None


def _fail(message: str) -> typer.Exit:
    Console(stderr=True).print(message, style="red")
    return typer.Exit(1)
