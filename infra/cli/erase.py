"""`palimpsest erase`: erases a user, a document, a team or an email address, for good."""

import asyncio
import json
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

import typer
from uuid_utils.compat import uuid7

from application.commands import Command
from application.ports import (
    Busy,
    CommandContext,
    HeldStream,
    NotSettled,
    OutcomeUnknown,
    Unavailable,
    Unreadable,
)
from application.privacy.erasing import ErasureStep
from application.privacy.erasure import EraseAddress, EraseDocument, EraseTeam, EraseUser
from domain.identity.user import User
from domain.kernel import Invalid, NotFound, Party
from domain.privacy.refusals import ErasureIsHeld
from domain.text import email_address
from infra.bootstrap.settled_bus import SettledBus, open_settled_bus
from infra.bootstrap.write_side import WriteSide, open_for_command
from infra.cli.cached_reads import open_cached_reads
from infra.cli.erasure_receipts import print_check, print_receipt
from infra.cli.progress_bar import progress_bar
from infra.cli.repeated_erasures import repeat_erasures
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.settings.load import load

T = TypeVar("T")

app = typer.Typer(
    help="Erase a user, a document, a team or an email address, for good.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
notes = Terminal(stderr=True)

ErasedKind = Literal["user", "document", "team", "address"]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]


@dataclass(frozen=True, slots=True)
class ErasurePlan:
    """What an erasure will do, in sentences; the number of streams that it changes, and the command."""

    what: str
    effects: list[str]
    streams: int
    command: Command[ErasureStep]


@app.command()
def user(id: Annotated[UUID, typer.Argument(help="Id of the user.")], yes: Yes = False) -> None:
    """Erase a user, their documents and their verified email address; end their memberships."""
    _erase(lambda core, settled: _plan_user(core, settled, id), yes)


@app.command()
def document(id: Annotated[UUID, typer.Argument(help="Id of the document.")], yes: Yes = False) -> None:
    """Erase a document with all its versions and shares."""
    effects = ["The document ends, with all its versions and shares."]
    _erase(lambda *_: _ready(ErasurePlan(f"document {id}", effects, 1, EraseDocument(id=id))), yes)


@app.command()
def team(id: Annotated[UUID, typer.Argument(help="Id of the team.")], yes: Yes = False) -> None:
    """Erase a team and its documents."""
    _erase(lambda _, settled: _plan_team(settled, id), yes)


@app.command()
def address(
    address: Annotated[str, typer.Argument(help="The email address, or its id; - reads it from the standard input.")],
    yes: Yes = False,
) -> None:
    """Erase an email address: revoke its shares and invitations. An account with this address stays."""
    given = sys.stdin.readline().strip() if address == "-" else address
    _erase(lambda core, settled: _plan_address(core, settled, given), yes)


@app.command()
def receipt(
    kind: Annotated[ErasedKind, typer.Argument(help="What was erased.")],
    id: Annotated[UUID, typer.Argument(help="Its id.")],
) -> None:
    """Print the receipt of an erasure, signed by the key of the log: for the person, with nothing personal in it."""
    print_receipt(kind, id)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="File with a receipt; - reads the standard input.")],
    key: Annotated[str, typer.Option(help="Key of the log, as `palimpsest audit key` prints it.")],
) -> None:
    """Check the signature of a receipt. It needs no database."""
    print_check(file, key)


@app.command("replay")
def repeat() -> None:
    """Carry out again what a restored backup has brought back. Without a restore there is nothing to do.

    A worker then does the rest: what the erasures change of others. `palimpsest up` runs this at each start.
    """
    number = repeat_erasures(load(part="api"))
    typer.echo(f"{number} streams were erased again." if number else "Nothing to do: no erasure is undone.")


async def _plan_user(core: WriteSide, settled: SettledBus, id: UUID) -> ErasurePlan:
    try:
        address_id = await _address_of(core, id)
    except Unreadable:
        address_id = None
        notes.print("The user cannot be read: their address is not known. Erase it by `palimpsest erase address`, too.")
    documents = _listed(await settled.holdings.documents_of(Party("user", id)))
    teams = _listed(await settled.holdings.teams_of(id))
    effects = [
        "The account ends; its address may be registered again.",
        f"{documents} documents end. Edits of other people's documents stay.",
        f"{teams} memberships of teams end. A team without other members is erased, with its documents.",
    ]
    streams = documents + teams + 2
    if address_id is not None:
        shares = await _shares(settled, address_id)
        effects.append(f"{shares} shares with and invitations of their address are revoked.")
        streams += shares + 1
    return ErasurePlan(f"user {id}", effects, streams, EraseUser(id=id))


async def _address_of(core: WriteSide, user_id: UUID) -> UUID | None:
    """The id of the user's verified address, if there is one.

    Raises:
        NotFound: there is no such user.
        Unreadable: the user cannot be read.
    """
    user = await core.store.load(User, user_id)
    if user is None:
        raise NotFound("There is no such user.")
    return core.blind.address_id(user.email) if user.email_verified and not user.erased else None


async def _plan_team(settled: SettledBus, id: UUID) -> ErasurePlan:
    documents = _listed(await settled.holdings.documents_of(Party("team", id)))
    effects = ["The team ends, with its memberships and invitations.", f"{documents} documents of the team end."]
    return ErasurePlan(f"team {id}", effects, documents + 1, EraseTeam(id=id))


async def _plan_address(core: WriteSide, settled: SettledBus, given: str) -> ErasurePlan:
    try:
        id = UUID(given)
    except ValueError:
        id = core.blind.address_id(email_address(given))
    shares = await _shares(settled, id)
    return ErasurePlan(
        f"address {id}", [f"{shares} shares and invitations are revoked."], shares + 1, EraseAddress(id=id)
    )


async def _shares(settled: SettledBus, address_id: UUID) -> int:
    shared = await settled.holdings.documents_shared_with(address_id)
    return _listed(shared) + _listed(await settled.holdings.teams_inviting(address_id))


def _listed(streams: Sequence[HeldStream]) -> int:
    """The number of streams that are known to belong to whom was asked for."""
    return sum(stream.listed for stream in streams)


async def _ready(plan: ErasurePlan) -> ErasurePlan:
    return plan


Planner = Callable[[WriteSide, SettledBus], Coroutine[Any, Any, ErasurePlan]]


def _erase(plan_of: Planner, yes: bool) -> None:
    async def run() -> None:
        settings = load(part="api")
        async with (
            open_for_command(settings, "api") as core,
            open_cached_reads(settings, core) as reads,
            open_settled_bus(core, reads, {}) as settled,
        ):
            plan = await plan_of(core, settled)
            if not yes:
                await asyncio.to_thread(_confirm, plan)
            done = await _carry_out(plan, settled)
        _report(plan, done)

    try:
        asyncio.run(run())
    except (NotFound, Invalid, ErasureIsHeld) as refusal:
        raise SetupError(refusal.detail) from None
    except NotSettled:
        raise SetupError(
            "The erasure is stored, but a process or a read model has not followed yet. "
            "Run the same command again until it succeeds; `palimpsest projections list` says what is behind. "
            "A stream in quarantine follows after `palimpsest projections retry` or `skip`."
        ) from None
    except Unreadable:
        raise SetupError(
            "Not one event of this can be read, so it is not known what it is. Restore it from a backup, "
            "then run the same command again."
        ) from None
    except Busy:
        raise SetupError("Others change the same things at this moment. Run the same command again.") from None
    except OutcomeUnknown:
        raise SetupError("The erasure may have been carried out. Run the same command again to be sure.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. Is the projector running? `palimpsest doctor` says more.") from None


def _confirm(plan: ErasurePlan) -> None:
    """Show what will happen, and ask.

    Raises:
        SetupError: there is no terminal to ask on.
        typer.Abort: the answer is no.
    """
    notes.print(f"This erases {plan.what}:")
    for effect in plan.effects:
        notes.print(f"- {effect}")
    notes.print("It cannot be undone.")
    if not sys.stdin.isatty():
        raise SetupError("There is no terminal to ask for confirmation: add --yes.")
    typer.confirm("Erase it?", abort=True, err=True)


async def _carry_out(plan: ErasurePlan, settled: SettledBus) -> ErasureStep:
    """Send the command until it is complete. Returns the outcome of all steps together."""
    changed = 0
    with progress_bar("erasing") as progress:
        progress(changed, plan.streams)
        while True:
            context = CommandContext(actor=None, correlation_id=uuid7())
            step = (await settled.bus.send(plan.command, context)).answer
            changed += step.changed
            progress(changed, plan.streams)
            if step.complete:
                # The last step has looked at all that is left.
                return ErasureStep(changed, step.complete, step.unread)


def _report(plan: ErasurePlan, done: ErasureStep) -> None:
    """Print what was erased.

    Raises:
        SetupError: some streams could not be read.
    """
    kind, id = plan.what.split()
    unread = [str(each) for each in done.unread]
    if sys.stdout.isatty():
        typer.echo(f"Erased {plan.what}: {done.changed} streams changed.")
    else:
        typer.echo(json.dumps({"erased": kind, "id": id, "streams_changed": done.changed, "unread": unread}))
    if unread:
        raise SetupError(
            f"The rest is erased. {len(unread)} streams cannot be read, and may hold more of this {kind}: "
            f"{', '.join(unread)}. `palimpsest events show ID` prints what can be read of a stream. "
            f"Erase what belongs to this {kind} by itself: `palimpsest erase document ID`, or `team ID`. "
            "Restore the others from a backup, then run the same command again."
        )
