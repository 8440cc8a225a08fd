"""Time travel in `palimpsest audit`: aggregates at any point, what differs between two, events and their causes."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from application.ports import EventFilter, LoggedEvent, Point, Unavailable, Unreadable
from application.travel.points import NoSuchPoint, instant_of, point_of
from domain.kernel import Refusal, Root
from infra.cli.options import ReaderAddress, Unseal
from infra.cli.terminal import Terminal, failure
from infra.errors import SetupError
from infra.printable import printable

if TYPE_CHECKING:
    from application.travel.causes import CauseTree
    from application.travel.views import EventView
    from infra.bootstrap.write_side import WriteSide
    from infra.cli.recorded_reads import OperatorRead

T = TypeVar("T")

PAGE_EVENTS = 500
UNBOUNDED = 2**62
DOES_NOT_OPEN = "The personal fields cannot be read"

Topic = Annotated[str, typer.Argument(help="Aggregate: document, user, team, ...")]
AggregateId = Annotated[UUID, typer.Argument(help="Id of the document, user, team, ...")]
PointText = Annotated[str, typer.Argument(help="Version (7), position (@4711) or instant (2026-11-22T12:00:00Z).")]


def instant(text: str) -> datetime:
    """Return a time with its zone.

    Raises:
        typer.BadParameter: it is none.
    """
    return _parsed(instant_of, text)


def _parsed(parse: Callable[[str], T], text: str) -> T:
    try:
        return parse(text)
    except NoSuchPoint as error:
        raise typer.BadParameter(error.detail) from None


def at(
    topic: Topic,
    id: AggregateId,
    version: Annotated[int | None, typer.Option(help="At this version.", min=1)] = None,
    position: Annotated[int | None, typer.Option(help="As of this position of the log.", min=1)] = None,
    instant: Annotated[
        datetime | None, typer.Option(help="As of this time, with its zone.", parser=instant, metavar="TIME")
    ] = None,
    unseal: Unseal = False,
    by: ReaderAddress = None,
) -> None:
    """Print an aggregate at a version, or as of a position or a time, as JSON; without any of these as it is now."""
    if sum(each is not None for each in (version, position, instant)) > 1:
        raise typer.BadParameter("name a version, a position or an instant, and only one of them")

    async def read(log: "OperatorRead") -> object:
        from application.travel.subjects import in_state
        from application.travel.views import state_at

        wanted = Point(version, position, instant)
        view = await state_at(log.core.store, log.trail, topic, id, wanted, unseal=unseal)
        filters = {"version": version, "position": position, "instant": instant, "unsealed": unseal}
        await log.record("audit at", in_state(view), topic=topic, id=id, filters=filters)
        return view

    _print_json(_found(_run(read, unseal, by), f"The {topic} {id} had no event there."))


def diff(
    topic: Topic, id: AggregateId, before: PointText, after: PointText, unseal: Unseal = False, by: ReaderAddress = None
) -> None:
    """Print what differs between an aggregate at two points, as JSON. Sealed values are not compared."""
    points = _parsed(point_of, before), _parsed(point_of, after)

    async def read(log: "OperatorRead") -> object:
        from application.travel.subjects import in_difference
        from application.travel.views import difference_of

        view = await difference_of(log.core.store, log.trail, topic, id, *points, unseal=unseal)
        filters = {"before": before, "after": after, "unsealed": unseal}
        await log.record("audit diff", in_difference(view), topic=topic, id=id, filters=filters)
        return view

    _print_json(_found(_run(read, unseal, by), f"The {topic} {id} had no event at one of these points."))


def events(
    aggregate_id: Annotated[UUID | None, typer.Option(help="Id of a document, user, team, ...")] = None,
    topic: Annotated[str | None, typer.Option(help="Aggregate: document, user, team, ...")] = None,
    type: Annotated[str | None, typer.Option(help="Type of the events, such as document.saved.")] = None,
    actor: Annotated[UUID | None, typer.Option(help="Id of the user who caused them.")] = None,
    request: Annotated[UUID | None, typer.Option(help="Id of the request that caused them (X-Request-Id).")] = None,
    since: Annotated[datetime | None, typer.Option(help="From this time on.", parser=instant, metavar="TIME")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before this time.", parser=instant, metavar="TIME")] = None,
    after: Annotated[int, typer.Option(help="Only after this position.", min=0)] = 0,
    limit: Annotated[int | None, typer.Option(help="At most so many.", min=1)] = None,
    unseal: Unseal = False,
    by: ReaderAddress = None,
) -> None:
    """Print events by what they say, in the order of the log: one on each line, as JSON Lines on a pipe.

    With --unseal, events whose personal fields do not open are printed without; the command then exits with 1.
    """
    wanted = EventFilter(aggregate_id, actor, topic, type, since, until, request)

    async def read(log: "OperatorRead") -> int:
        from application.travel.views import event_views

        last, left, closed = after, limit or UNBOUNDED, 0
        while left and (page := await log.trail.search(wanted, last, min(left, PAGE_EVENTS))):
            unsealed = await _unsealed(log.core, page) if unseal else None
            views = await event_views(log.trail, page, unsealed=unsealed)
            await log.record_views("audit events", wanted, last, views)
            for view in views:
                does_not_open = unsealed is not None and view.error is None and view.position not in unsealed
                _print_line(replace(view, error=DOES_NOT_OPEN) if does_not_open else view)
                closed += does_not_open
            last, left = page[-1].position, left - len(page)
        return closed

    if closed := _run(read, unseal, by):
        raise failure(f"{DOES_NOT_OPEN}, of {closed} events. See: palimpsest audit verify --personal")


def caused(
    request_id: Annotated[UUID, typer.Argument(help="Id of the request (X-Request-Id).")], by: ReaderAddress = None
) -> None:
    """Print what a request caused: events, and below each the events that it caused. On a pipe as JSON."""

    async def read(log: "OperatorRead") -> "CauseTree | None":
        from application.travel.causes import caused_by
        from application.travel.subjects import concerned

        tree = await caused_by(log.core.store, log.trail, request_id)
        about = concerned([] if tree is None else [each.event for each in tree.events])
        await log.record("audit caused", about, filters={"request": request_id})
        return tree

    tree = _found(_run(read, False, by), f"The log has no event of the request {request_id}.")
    if Terminal().is_terminal:
        _print_tree(tree)
    else:
        _print_json(tree)


async def _unsealed(core: "WriteSide", page: Sequence[LoggedEvent]) -> Mapping[int, Root.Event]:
    """Return the readable events of a page with their personal fields, by position; without those that do not open."""
    readable = [event for event in page if event.data is not None]
    try:
        found = await core.store.events([(event.stream_id, event.version) for event in readable])
    except Unreadable:
        if len(readable) == 1:
            return {}
        half = len(readable) // 2
        return {**await _unsealed(core, readable[:half]), **await _unsealed(core, readable[half:])}
    return {event.position: unsealed for event, unsealed in zip(readable, found, strict=True)}


def _run(read: "Callable[[OperatorRead], Awaitable[T]]", unseal: bool, by: str | None) -> T:
    """Read the log.

    Raises:
        SetupError: a server does not answer, the question is wrong, or the account is no auditor's.
        typer.Exit: the history cannot be read.
    """
    from infra.cli.recorded_reads import operator_read

    async def run() -> T:
        async with operator_read(unseal, by) as log:
            return await read(log)

    try:
        return asyncio.run(run())
    except Refusal as refusal:
        raise SetupError(refusal.detail) from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None
    except Unreadable as error:
        raise failure(f"This cannot be read: {error}. See: palimpsest audit verify") from None


def _found(answer: T | None, otherwise: str) -> T:
    if answer is None:
        raise failure(otherwise)
    return answer


def _print_json(value: object) -> None:
    import msgspec

    Terminal().print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def _print_line(event: "EventView") -> None:
    import msgspec

    console = Terminal()
    console.print(_label(event) if console.is_terminal else msgspec.json.encode(event).decode())


def _print_tree(tree: "CauseTree") -> None:
    from rich.tree import Tree

    root = Tree(f"request {tree.correlation_id}" + ("" if tree.complete else " (more events follow)"))
    branches = {None: root}
    for each in tree.events:
        branches[each.event.position] = branches[each.caused_by].add(_label(each.event))  # type: ignore[index]
    Terminal().print(root)


def _label(event: "EventView") -> str:
    """Return an event as a line: position, time, stream, version, type, actor, fields."""
    head = f"{event.position} {event.recorded_at:%Y-%m-%dT%H:%M:%S.%fZ} {event.aggregate_id} v{event.version}"
    what = event.error or " ".join(f"{name}={value}" for name, value in event.fields.items() if name != "timestamp")
    return printable(f"{head} {event.type} by {event.actor_id or '-'} {what}".rstrip())
