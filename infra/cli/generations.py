"""`palimpsest generations`: operators see the generations of all users, without prompts, and replay dead ones."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, TypeVar, get_args
from uuid import UUID

import msgspec
import typer
from rich.table import Column, Table
from uuid_utils.compat import uuid7

from adapters.provider.token_counter import TiktokenCounter
from application.commands import Command
from application.generation.generation import DeleteGeneration, RetryGeneration
from application.ports import (
    Busy,
    CommandContext,
    NotSettled,
    OutcomeUnknown,
    ReadStore,
    Unavailable,
    Unreadable,
)
from domain.generation.explaining import explanation_of
from domain.generation.generation import Status
from domain.kernel import Refusal
from infra.bootstrap.provider import open_models
from infra.bootstrap.settled_bus import open_settled_bus
from infra.bootstrap.write_side import open_for_command
from infra.cli.cached_reads import open_cached_reads
from infra.cli.options import AsJson
from infra.cli.terminal import Terminal, failure
from infra.postgres.read_store import PooledReadStore
from infra.settings.load import load
from projections.generation.generation import UncountedGeneration, uncounted_generations
from projections.generation.listed_generation import ListedGeneration, listed_generation, listed_generations

T = TypeVar("T")

app = typer.Typer(
    help="Manage the generations.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Terminal()

OfGeneration = Annotated[UUID, typer.Argument(help="Id of the generation, from `palimpsest generations list`")]
DeadGeneration = Annotated[UUID, typer.Argument(help="Id of the dead generation, from `palimpsest generations list`")]
MaxListed = Annotated[int, typer.Option(help="At most so many generations.", min=1, max=100_000)]


@app.callback()
def group() -> None:
    """Manage the generations."""


@app.command("list")
def show_all(
    status: Annotated[Status | None, typer.Option(help="Only generations in this state; default: in all.")] = None,
    limit: MaxListed = 50,
    as_json: AsJson = False,
) -> None:
    """Show the generations of all users, the latest first, without prompts and texts."""
    found = _ended(
        _read(lambda rows: listed_generations(rows, get_args(Status) if status is None else [status], limit))
    )
    if as_json:
        typer.echo(msgspec.json.encode([asdict(each) for each in found]).decode())
        return
    table = Table(Column("id", no_wrap=True), "state", "failure", "model", "attempts", "cost, micro-dollars", "until")
    for each in found:
        ends = (str(each.attempt), f"{each.cost_micros:,}", _time(each.updated_at))
        table.add_row(str(each.id), each.status, each.failure or "", each.stand_in or each.model, *ends)
    console.print(table if found else "There are no such generations.")
    if any(each.status == "dead" for each in found):
        console.print("Why one is dead: palimpsest generations show ID. Ask again: palimpsest generations retry ID")


@app.command()
def show(id: OfGeneration, as_json: AsJson = False) -> None:
    """Show a generation: its state, why there is no text, what it has cost; neither its prompt nor its texts."""
    found = _ended(_one(id))
    if as_json:
        typer.echo(msgspec.json.encode(asdict(found)).decode())
        return
    _print(found)
    console.print(_next_step(found), style="yellow")


@app.command()
def retry(id: DeadGeneration) -> None:
    """Ask again for the text of a dead generation, as its asker could: by the same budget, if they still may."""
    _ended(_act(id, RetryGeneration(id=id)))
    console.print(f"Queued again: {id}. Watch: palimpsest generations show {id}")


@app.command()
def discard(id: DeadGeneration) -> None:
    """Delete a dead generation with its prompt, for good, as its asker could. What it has cost stays in the budget."""
    _ended(_act(id, DeleteGeneration(id=id)))
    console.print(f"Discarded: {id}.")


@app.command()
def unknown(
    limit: MaxListed = 50,
    as_json: AsJson = False,
) -> None:
    """Show answers that were lost or stopped, the latest first: their payers were charged by our own count of tokens.

    The provider may have billed more. It finds each request by its id, which was sent as X-Client-Request-Id.
    """
    found: list[UncountedGeneration] = _ended(_read(lambda rows: uncounted_generations(rows, limit)))
    if as_json:
        typer.echo(msgspec.json.encode([asdict(each) for each in found]).decode())
        return
    table = Table(Column("request id", no_wrap=True), "model", "generation has cost, micro-dollars", "until")
    for each in found:
        for request in each.requests:
            table.add_row(f"{each.id}-{request}", each.model, f"{each.cost_micros:,}", f"{each.updated_at:%F %T %Z}")
    console.print(table if found else "The provider has told the tokens of all answers.")
    if found:
        console.print("Look for these request ids in the logs and bills of the provider.")


def _ended(work: Coroutine[Any, Any, T]) -> T:
    """Do some work, and return its result. A known failure is printed, and ends the command."""
    try:
        return asyncio.run(work)
    except Refusal as refusal:
        raise failure(str(refusal)) from None
    except NotSettled:
        raise failure("It is stored, but a read model has not followed yet: palimpsest projections list") from None
    except Unreadable:
        raise failure("The generation cannot be read. Restore it from a backup, then run the same command.") from None
    except Busy:
        raise failure("Others change the same generation at this moment. Run the same command again.") from None
    except OutcomeUnknown:
        raise failure("It may have been done: `palimpsest generations show ID` says so.") from None
    except Unavailable as error:
        raise failure(f"{error}. `palimpsest doctor` says more.") from None


async def _read(query: Callable[[ReadStore], Awaitable[T]]) -> T:
    async with open_for_command(load(part="api"), "api") as core:
        return await query(PooledReadStore(core.database))


async def _one(id: UUID) -> ListedGeneration:
    """Return a generation. Raises `typer.Exit`: there is none."""
    return _existing(id, await _read(lambda rows: listed_generation(rows, id)))


async def _act(id: UUID, command: Command[Any]) -> None:
    """Send a command about a dead generation for its asker. Its events have no actor, as an operator acts.

    Raises:
        typer.Exit: it is not dead, or there is none.
        Refusal: the asker could not do it either.
    """
    settings = load(part="api")
    async with open_for_command(settings, "api") as core, open_cached_reads(settings, core) as reads:
        found = _existing(id, await listed_generation(PooledReadStore(core.database), id))
        if found.status != "dead":
            raise failure(f"Generation {id} is {found.status}, not dead. See: palimpsest generations show {id}")
        ports = {"models": open_models(settings.provider), "tokens": TiktokenCounter()}
        async with open_settled_bus(core, reads, ports) as settled:
            context = CommandContext(actor=None, correlation_id=uuid7(), on_behalf_of=found.asker_id)
            await settled.bus.send(command, context)


def _existing(id: UUID, found: ListedGeneration | None) -> ListedGeneration:
    if found is None:
        raise failure(f"There is no generation {id}. See: palimpsest generations list")
    return found


def _print(found: ListedGeneration) -> None:
    stand_in = f", {found.stand_in} in its place" if found.stand_in else ""
    lines = {
        "generation": f"{found.id}, {found.status}",
        "failure": found.failure,
        "asker reads": explanation_of(found.failure, []),
        "result": found.result,
        "model": f"{found.model}{stand_in}" + (f", answered by {found.answered_by}" if found.answered_by else ""),
        "document": str(found.document_id),
        "asker": str(found.asker_id),
        "payer": f"{found.payer_kind} {found.payer_id}" + (", by their own key" if found.own_key else ""),
        "batch": found.latest_at and f"until {_time(found.latest_at)}",
        "attempts": f"{found.attempt}, of {found.variants} variants",
        "tokens": f"{found.input_tokens:,} read, {found.output_tokens:,} written",
        "cost": f"{found.cost_micros:,} micro-dollars",
        "asked": _time(found.created_at),
        "until": _time(found.updated_at),
    }
    for name, text in lines.items():
        if text:
            console.print(f"{name:<12}{text}")


def _next_step(found: ListedGeneration) -> str:
    if found.status == "dead":
        again, away = f"palimpsest generations retry {found.id}", f"palimpsest generations discard {found.id}"
        return f"Ask again: {again}. Delete it with its prompt: {away}"
    return "It is its asker's to cancel, to ask again, or to delete. Only dead ones are for operators."


def _time(moment: datetime) -> str:
    return f"{moment:%F %T %Z}"
