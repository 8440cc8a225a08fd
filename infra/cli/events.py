"""`palimpsest events`: inspects the event log. Personal fields stay sealed without `--unseal`."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from uuid import UUID

import typer

from application.ports import EventFilter, RecordedEvent, Unavailable, Undecodable
from domain.kernel import Refusal
from infra.cli.options import ReaderAddress, Unseal
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.printable import printable

if TYPE_CHECKING:
    from infra.cli.recorded_reads import OperatorRead

T = TypeVar("T")

app = typer.Typer(
    help="Inspect the event log.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)

BATCH_SIZE = 500
TAIL_EVENTS = 10
MAX_VERSION = 2**62


@app.command()
def tail(
    after: Annotated[int | None, typer.Option(help="Begin after this position; default: the last ten events.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new events, until Ctrl-C.")] = False,
    unseal: Unseal = False,
    by: ReaderAddress = None,
) -> None:
    """Print events from a position on, one on each line."""
    _run(_tail(after, follow, unseal, by))


@app.command()
def show(
    stream_id: Annotated[UUID, typer.Argument(help="Id of a user, document, ...")],
    unseal: Unseal = False,
    by: ReaderAddress = None,
) -> None:
    """Print all events of one stream."""
    if not _run(_show(stream_id, unseal, by)):
        raise typer.BadParameter(f"The log has no stream {stream_id}.")


def _run(read: Coroutine[Any, Any, T]) -> T:
    """Read the log.

    Raises:
        SetupError: the database does not answer, or the account is no auditor's.
    """
    try:
        return asyncio.run(read)
    except Refusal as refusal:
        raise SetupError(refusal.detail) from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None


@asynccontextmanager
async def _feed(unseal: bool, by: str | None) -> "AsyncIterator[tuple[Any, OperatorRead]]":
    from infra.bootstrap.lifetime import started
    from infra.cli.recorded_reads import operator_read

    async with operator_read(unseal, by) as log, started(log.core.feed()) as feed:
        yield feed, log


async def _tail(after: int | None, follow: bool, unseal: bool, by: str | None) -> None:
    console = Terminal()
    async with _feed(unseal, by) as (feed, log):
        last = max(0, await feed.head() - TAIL_EVENTS) if after is None else after
        while True:
            events = await feed.read(last, BATCH_SIZE)
            if events:
                await log.record_page("events tail", EventFilter(), last, len(events))
            for event in events:
                console.print(line(event, unseal=unseal))
                last = event.position
            if not events:
                if not follow:
                    return
                await feed.wait(last, 1.0)


async def _show(stream_id: UUID, unseal: bool, by: str | None) -> int:
    console = Terminal()
    shown = last = 0
    async with _feed(unseal, by) as (feed, log):
        while events := await feed.stream(stream_id, last + 1, MAX_VERSION):
            await log.record_page("events show", EventFilter(stream_id), last, len(events))
            for event in events:
                console.print(line(event, unseal=unseal))
            shown, last = shown + len(events), events[-1].position
    return shown


def line(event: RecordedEvent, *, unseal: bool) -> str:
    """One event as a line: position, time, stream, version, type, actor, fields."""
    actor = event.actor_id or "-"
    head = f"{event.position} {event.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ} {event.stream_id} v{event.version}"
    return printable(f"{head} {event.topic} by {actor} {_fields(event, unseal)}".rstrip())


def _fields(event: RecordedEvent, unseal: bool) -> str:
    from infra.store.codec import layout_of

    if isinstance(event.data, Undecodable):
        return f"unreadable ({event.data.error})"
    sealed = {name for group in layout_of(type(event.data)).groups for name in group.names}
    values = {name: value for name, value in vars(event.data).items() if not name.startswith("originator_")}
    values.pop("timestamp")
    shown = {name: "[sealed]" if name in sealed and not unseal else value for name, value in values.items()}
    return " ".join(f"{name}={value}" for name, value in shown.items())
