"""`palimpsest generations`: what operators can find out about generations."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import msgspec
import typer
from rich.table import Column, Table

from application.ports import Unavailable
from infra.bootstrap.write_side import open_for_command
from infra.cli.options import AsJson
from infra.cli.terminal import Terminal, failure
from infra.postgres.read_store import PooledReadStore
from infra.settings.load import load
from projections.generation.generation import UncountedGeneration, uncounted_generations

app = typer.Typer(
    help="Inspect the generations.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Terminal()


@app.callback()
def group() -> None:
    """Inspect the generations."""


@app.command()
def unknown(
    limit: Annotated[int, typer.Option(help="At most so many generations.", min=1, max=100_000)] = 50,
    as_json: AsJson = False,
) -> None:
    """Show answers that were lost or stopped, the latest first: their payers were charged by our own count of tokens.

    The provider may have billed more. It finds each request by its id, which was sent as X-Client-Request-Id.
    """
    try:
        found = asyncio.run(_unknown(limit))
    except Unavailable as error:
        raise failure(f"{error}. `palimpsest doctor` says more.") from None
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


async def _unknown(limit: int) -> list[UncountedGeneration]:
    async with open_for_command(load(part="api"), "api") as core:
        return await uncounted_generations(PooledReadStore(core.database), limit)
