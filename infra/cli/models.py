"""`palimpsest models`: shows the language models and what waits for them; pauses, resumes and limits them."""

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Column, Table

from application.generation.queueing import by_own_keys
from infra.bootstrap.provider import open_models
from infra.cli.options import AsJson
from infra.cli.queue_database import queue_database
from infra.cli.terminal import Terminal, failure
from infra.jobs import resources
from infra.jobs.resources import ResourceState
from infra.settings.load import load

app = typer.Typer(help="Manage the models.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
console = Terminal()

OfModel = Annotated[
    str,
    typer.Argument(help="Name of the model, from `palimpsest models list`; NAME@own: what keys of users and teams pay"),
]


@app.command("list")
def show_all(as_json: AsJson = False) -> None:
    """Show the models, with their generations that wait or run."""
    with queue_database() as connection:
        found = resources.list_resources(connection, _names())
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found], default=lambda moment: moment.isoformat()))
        return
    table = Table(Column("model", no_wrap=True), "state", "waiting", "running", "limit")
    for each in found:
        limit = "" if each.max_running is None else str(each.max_running)
        table.add_row(each.name, _state(each), str(each.waiting), str(each.running), limit)
    console.print(table)


@app.command()
def pause(name: OfModel) -> None:
    """Let generations of a model wait; those that run go on to their end. After 25 hours they are given up."""
    with queue_database() as connection:
        resources.pause(connection, _known(name))
    console.print(
        f"{name} is paused. Look until none runs: palimpsest models list. Go on: palimpsest models resume {name}"
    )


@app.command()
def resume(name: OfModel) -> None:
    """Let generations of a paused model go on."""
    with queue_database() as connection:
        resources.resume(connection, name)
    console.print(f"{name} is open. See: palimpsest models list")


@app.command()
def limit(
    name: OfModel,
    most: Annotated[
        int | None, typer.Argument(help="Generations at a time, of all workers; none: no limit.", min=1)
    ] = None,
) -> None:
    """Limit how many generations use a model at the same time."""
    with queue_database() as connection:
        resources.limit(connection, _known(name), most)
    console.print(f"{name}: {'no limit' if most is None else f'{most} at a time'}. See: palimpsest models list")


def _known(name: str) -> str:
    if name not in (known := _names()) and name not in map(by_own_keys, known):
        raise failure(f"There is no model {name}. There are: {', '.join(known)}.")
    return name


def _names() -> list[str]:
    return [model.name for model in open_models(load(part="worker").provider).all()]


def _state(each: ResourceState) -> str:
    return "open" if each.paused_at is None else f"paused since {each.paused_at:%F %T %Z}"
