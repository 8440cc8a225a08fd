"""`palimpsest projections`: manages the read models."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar
from uuid import UUID

import typer
from rich.table import Column, Table

from infra.bootstrap.lifetime import collect_rarely
from infra.bootstrap.write_side import WriteSide
from infra.cli.consumers import Stream, require_release, run_as, show_quarantine, status
from infra.cli.progress_bar import progress_bar
from infra.cli.terminal import Terminal, failure
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.lag import PROJECTION_GAUGES
from infra.projector.quarantine import retry as retry_stream
from infra.projector.rebuild.abandoned import drop_unless_rebuilt
from infra.projector.rebuild.load_workers import LoadWorkerFailed, LoadWorkers
from infra.projector.rebuild.rebuild import RebuildResult, RebuildRunning
from infra.projector.rebuild.rebuild import rebuild as rebuild_model
from infra.projector.rebuild.revocations import RevocationFailed
from infra.projector.schema import ensure_tables
from infra.replay.schemas import PREFIX
from projections.kernel import ReadModel, read_models

T = TypeVar("T")

app = typer.Typer(
    help="Manage the read models.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Terminal()

Name = Annotated[str, typer.Argument(help="Name of the read model, from `palimpsest projections list`")]


@app.command("list")
def show() -> None:
    """Show the position and lag of each read model, and the streams in quarantine."""
    lag_of_models, quarantined = _run(lambda core: status(core, PROJECTIONS, PROJECTION_GAUGES))
    table = Table(Column("read model", no_wrap=True), "version", "position", "behind", "seconds", "in quarantine")
    for lag in lag_of_models:
        table.add_row(
            *map(str, (lag.name, lag.version, lag.position, lag.behind, f"{lag.seconds:.1f}", lag.quarantined))
        )
    console.print(table)
    show_quarantine(console, quarantined)


@app.command()
def rebuild(
    name: Name,
    check: Annotated[bool, typer.Option("--check", help="Only compare with the live table; change nothing")] = False,
    processes: Annotated[
        int | None,
        typer.Option(min=1, max=16, help="Number of processes for a long log; default: one per core, at most 4"),
    ] = None,
) -> None:
    """Rebuild a read model from the whole log beside the live one, compare both, and replace the live one."""
    model = _model(name)
    with progress_bar(f"rebuilding {name}") as progress:
        done = _run(
            lambda core: _rebuild(
                core,
                model,
                progress,
                swap=not check,
                helpers=None if processes is None else processes - 1,
            )
        )
    console.print(_summary(done))
    if check and done.differing:
        raise typer.Exit(1)


@app.command()
def retry(name: Name, stream: Stream) -> None:
    """Release a stream from quarantine: apply the events it missed."""
    _release(name, stream, skip=False)


@app.command()
def skip(name: Name, stream: Stream) -> None:
    """Release a stream from quarantine without the failed event. Rebuilds leave that event out, too."""
    _release(name, stream, skip=True)


@app.command()
def drop(name: Name) -> None:
    """Drop a table that belongs to no read model any more. While it is there, erasures wait for it."""
    if any(model.name == name for model in read_models()):
        raise failure(f"{name} is a read model; remove its code first.")
    if name.startswith(PREFIX):
        raise failure(f"{name} is a replay: palimpsest audit replay --drop {name}")
    if not _run(lambda core: _drop(core, name)):
        raise failure(f"There is no table '{name}', or it is being rebuilt.")
    console.print(f"{name} is dropped.")


def _release(name: str, stream: UUID, *, skip: bool) -> None:
    model = _model(name)
    require_release(_run(lambda core: retry_stream(model, stream, core.feed(), core.url, skip=skip)))
    console.print(f"{name} has applied the whole stream.")


def _summary(done: RebuildResult) -> str:
    rows = f"{done.rows_after} rows at position {done.position}, {done.quarantined} streams in quarantine"
    if done.differing is None:
        return f"{rows}; before: {done.rows_before} rows, of another version or position."
    return f"{rows}; before: {done.rows_before} rows, and {done.differing} differ."


async def _drop(core: WriteSide, name: str) -> bool:
    async with await connect(core.url) as connection:
        known = await PROJECTIONS.read(connection, [name])
        return bool(known) and await drop_unless_rebuilt(connection, name)


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
        raise failure(f"There is no read model '{name}'. Choose from: {', '.join(models)}.")
    return models[name]


def _run(work: Callable[[WriteSide], Coroutine[Any, Any, T]]) -> T:
    try:
        return run_as("projector", PROJECTIONS, work)
    except RebuildRunning:
        raise failure("Another rebuild of this read model is running; wait until it ends.") from None
    except LoadWorkerFailed as error:
        raise failure(f"{error}. The live read model is unchanged. Try again, or with --processes 1.") from None
    except RevocationFailed as error:
        raise failure(f"{error}. The live read model is unchanged. Mend the code, then try again.") from None
