"""What the groups `projections` and `policies` share: both follow the log, and have streams in quarantine."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, TypeVar
from uuid import UUID

import psycopg
import typer

from application.ports import Unavailable
from infra.bootstrap.write_side import WriteSide, open_for_command
from infra.cli.terminal import Terminal, failure
from infra.postgres.projector_connection import connect
from infra.projector.checkpoints import Checkpoints, QuarantinedStream
from infra.projector.lag import Lag, LagGauges, lags
from infra.projector.quarantine import NotInQuarantine
from infra.settings.database import Part
from infra.settings.load import load
from projections.kernel import Poison

T = TypeVar("T")

Stream = Annotated[UUID, typer.Argument(help="Id of the quarantined stream")]


def run_as(part: Part, checkpoints: Checkpoints, work: Callable[[WriteSide], Coroutine[Any, Any, T]]) -> T:
    """Run `work` on consumers of a kind, with the database role of a part.

    Raises:
        typer.Exit: the database does not answer, or the stream is not in quarantine; the reason has been printed.
    """

    async def run() -> T:
        async with open_for_command(load(part=part), part) as core:
            return await work(core)

    try:
        return asyncio.run(run())
    except Unavailable as error:
        raise failure(f"{error}. `palimpsest doctor` says more.") from None
    except psycopg.OperationalError as error:
        raise failure(f"The database failed ({type(error).__name__}). `palimpsest doctor` says more.") from None
    except NotInQuarantine:
        group = checkpoints.names.consumers
        raise failure(f"That stream is not in quarantine; see `palimpsest {group} list`.") from None


async def status(
    core: WriteSide, checkpoints: Checkpoints, gauges: LagGauges
) -> tuple[list[Lag], list[QuarantinedStream]]:
    """Return the lag of each consumer of a kind, and its streams in quarantine."""
    async with await connect(core.url) as connection:
        return await lags(connection, core.feed(), gauges), await checkpoints.list_quarantine(connection)


def show_quarantine(console: Terminal, streams: Iterable[QuarantinedStream]) -> None:
    """Print a line for each stream in quarantine."""
    for stream in streams:
        console.print(
            f"In quarantine: {stream.consumer} {stream.stream_id}, since its event at {stream.position}"
            f" raised {stream.error} ({stream.at:%F %T %Z})",
        )


def require_release(failed: Poison | None) -> None:
    """Print and raise if a released stream has gone back into quarantine. `failed`: the event that failed."""
    if failed is not None:
        raise failure(f"The stream stays in quarantine: its event at {failed.position} raises {failed.error}.")
