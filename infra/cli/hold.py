"""`palimpsest hold`: legal holds, which keep what a court or an authority wants kept. Each step takes two people."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
import typer
from rich.table import Column, Table
from uuid_utils.compat import uuid7

from application.commands import Command
from application.ports import Busy, CommandContext, EventStore, OutcomeUnknown, Unavailable, Unreadable
from application.privacy.legal_hold import (
    AskForHold,
    AskForLifting,
    ConfirmHold,
    DeclineHold,
    HoldView,
    hold_view,
)
from domain.identity.user import User
from domain.kernel import NotFound, Refusal, Root
from domain.privacy.erasure_record import ErasureRecord, SubjectKind
from domain.privacy.legal_hold import LegalHold
from domain.teams.team import Team
from domain.text import email_address
from infra.bootstrap.write_side import WriteSide, open_for_command
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.settings.load import load

T = TypeVar("T")

app = typer.Typer(
    help="Keep what the law requires: ask, confirm, decline, lift, show.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
console = Terminal()
HOLDABLE: dict[SubjectKind, type[Root]] = {"user": User, "team": Team}
"""What has a stream of its own; an address may have none."""

By = Annotated[str, typer.Option("--by", help="Your own name. Another person must confirm.")]
HoldId = Annotated[UUID, typer.Argument(help="Id of the hold.")]


@app.command()
def ask(
    kind: Annotated[SubjectKind, typer.Argument(help="What is to be kept.")],
    subject: Annotated[str, typer.Argument(help="Its id; of an address also the address, - reads the standard input.")],
    by: By,
    reason: Annotated[str, typer.Option(help="Why: the court or authority, and the file number. It is kept sealed.")],
) -> None:
    """Ask for a hold on a user, a team or an address. It keeps nothing until another person confirms it."""

    async def run(core: WriteSide) -> HoldView:
        given = sys.stdin.readline().strip() if subject == "-" else subject
        id = await _subject_id(core, kind, given)
        return await _send(core, AskForHold(subject_kind=kind, subject_id=id, reason=reason, by=by))

    _show(_run(run))


@app.command()
def confirm(id: HoldId, by: By) -> None:
    """Confirm a hold, or its end, that another person has asked for."""
    _show(_run(lambda core: _send(core, ConfirmHold(id=id, by=by))))


@app.command()
def decline(id: HoldId, by: By) -> None:
    """Decline a hold, or its end, that was asked for."""
    _show(_run(lambda core: _send(core, DeclineHold(id=id, by=by))))


@app.command()
def lift(id: HoldId, by: By) -> None:
    """Ask for the end of a hold. It stays in force until another person confirms that."""
    _show(_run(lambda core: _send(core, AskForLifting(id=id, by=by))))


@app.command()
def show(
    kind: Annotated[SubjectKind, typer.Argument(help="What may be held.")],
    subject: Annotated[str, typer.Argument(help="Its id; of an address also the address, - reads the standard input.")],
) -> None:
    """Show all holds on a user, a team or an address, with their reasons."""

    async def run(core: WriteSide) -> list[HoldView]:
        given = sys.stdin.readline().strip() if subject == "-" else subject
        return await _holds_of(core.store, await _subject_id(core, kind, given))

    _show(*_run(run))


Work = Callable[[WriteSide], Coroutine[Any, Any, T]]


def _run(work: Work[T]) -> T:
    """Do some work on the write side.

    Raises:
        SetupError: it was refused, or a server does not answer.
    """

    async def run() -> T:
        async with open_for_command(load(part="api"), "api") as core:
            return await work(core)

    try:
        return asyncio.run(run())
    except Unreadable:
        raise SetupError(
            "The hold cannot be read. Restore it from a backup, then run the same command again."
        ) from None
    except Busy:
        raise SetupError("Others change the same hold at this moment. Run the same command again.") from None
    except OutcomeUnknown:
        raise SetupError("It may have been done: `palimpsest hold show` says so.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None
    except Refusal as refusal:
        raise SetupError(refusal.detail) from None


async def _send(core: WriteSide, command: Command[HoldView]) -> HoldView:
    context = CommandContext(actor=None, correlation_id=uuid7())
    return (await core.bus({}).send(command, context)).answer


async def _subject_id(core: WriteSide, kind: SubjectKind, given: str) -> UUID:
    """Return the id of what is named.

    Raises:
        NotFound: there is no such user or team.
        UnusableEmail, SetupError: the text names nothing.
    """
    try:
        id = UUID(given)
    except ValueError:
        if kind != "address":
            raise SetupError(f"'{given}' is not the id of a {kind}.") from None
        id = core.blind.address_id(email_address(given))
    if kind in HOLDABLE:
        with suppress(Unreadable):  # what is damaged can be held, too
            if await core.store.load(HOLDABLE[kind], id) is None:
                raise NotFound(f"There is no such {kind}.")
    return id


async def _holds_of(store: EventStore, subject_id: UUID) -> list[HoldView]:
    record = await store.load(ErasureRecord, ErasureRecord.id_of(subject_id))
    if record is None:
        return []
    found = [(await store.load(LegalHold, id)) for id in sorted(record.asked_holds)]
    return [hold_view(hold, record) for hold in found if hold is not None]


def _show(*holds: HoldView) -> None:
    """Print holds: as a table on a terminal, else as JSON, one a line."""
    if not sys.stdout.isatty():
        for hold in holds:
            typer.echo(msgspec.json.encode(asdict(hold)).decode())
        return
    if not holds:
        console.print("There is no hold.")
        return
    table = Table(Column("id", no_wrap=True), "on", "state", "in force", "asked by", "at", "reason")
    for hold in holds:
        names = (hold.asked_by, f"{hold.asked_at:%F %T %Z}", hold.reason)
        on = f"{hold.subject_kind} {hold.subject_id}"
        table.add_row(str(hold.id), on, hold.state.replace("_", " "), "yes" if hold.in_force else "no", *names)
    console.print(table)
