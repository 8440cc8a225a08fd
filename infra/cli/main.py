"""The command `palimpsest`. Commands import what they need when they run, so that `--help` is quick."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from infra.errors import SetupError
from infra.printable import printable_lines

if TYPE_CHECKING:
    from infra.settings.database import Part
    from infra.settings.model import Settings

app = typer.Typer(
    help="Palimpsest: an AI content backend in which every change is an event.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

GROUP = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""For a command group: another file parses the rest of the command line."""


@app.callback()
def options(
    data_dir: Annotated[Path | None, typer.Option(help="Data folder: servers, keys and logs of `up`.")] = None,
) -> None:
    """Every command reads its settings from the environment and the data folder."""
    if data_dir:
        os.environ["PALIMPSEST_DATA_DIR"] = str(data_dir.absolute())


@app.command()
def up(
    port: Annotated[int | None, typer.Option(help="Port of the API.", min=1, max=65535)] = None,
    host: Annotated[str | None, typer.Option(help="Address the API listens on.")] = None,
    kafka: Annotated[bool, typer.Option("--kafka", help="Also start a Kafka broker and publish events to it.")] = False,
) -> None:
    """Start everything on this machine: PostgreSQL, Redis, API, projector, worker and sealer. Ctrl-C stops it.

    Events are published with --kafka, or to running brokers that KAFKA_BOOTSTRAP_SERVERS names.
    """
    from infra.cli import up as everything
    from infra.settings.load import data_folder

    everything.up(data_folder().absolute(), host=host, port=port, kafka=kafka)


@app.command()
def kafka(
    port: Annotated[int | None, typer.Option(help="Port of the broker.", min=1, max=65535)] = None,
) -> None:
    """Start only a Kafka broker and print its address. Ctrl-C stops it; its records stay."""
    from infra.cli import kafka as broker
    from infra.settings.load import data_folder

    broker.serve(data_folder().absolute(), port=port)


@app.command()
def api() -> None:
    """Serve the HTTP API."""
    from infra.bootstrap.api import run

    run(_settings_for("api"))


@app.command()
def projector(
    feed: Annotated[str | None, typer.Option(help="Source of events: store or kafka.")] = None,
) -> None:
    """Keep the read models up to date. With the feed from Kafka, several projectors share the work."""
    from infra.bootstrap.projector import run

    run(_settings_for("projector", feed=feed))


@app.command()
def relay() -> None:
    """Publish events to Kafka. A second relay is a standby."""
    from infra.bootstrap.relay import run

    run(_settings_for("relay"))


@app.command()
def worker(
    feed: Annotated[str | None, typer.Option(help="Source of the policies' events: store or kafka.")] = None,
) -> None:
    """Run policies and background jobs. A second worker shares the work."""
    from infra.bootstrap.worker import run

    run(_settings_for("worker", feed=feed))


def _settings_for(role: "Part", feed: str | None = None) -> "Settings":
    """Load the settings of a long-running process, and configure its logs and metrics."""
    import structlog

    from infra.settings.display import misspelt
    from infra.settings.load import load
    from infra.settings.policies import PolicySettings
    from infra.settings.projector import ProjectorSettings
    from infra.telemetry.logs import configure_logging
    from infra.telemetry.metrics import start_metrics

    fed = PolicySettings if role == "worker" else ProjectorSettings
    settings = load(overrides={fed.variable("feed"): feed}, part=role)
    configure_logging(settings.logs.level, settings.logs.format, role=role)
    for sentence in misspelt():
        structlog.get_logger(__name__).warning(sentence)
    start_metrics(settings.metrics.port, settings.metrics.host)
    return settings


@app.command()
def sealer() -> None:
    """Sign the log as a tree, with which others can check the history. A second sealer is a standby."""
    from infra.bootstrap.sealer import run

    run(_settings_for("sealer"))


@app.command()
def migrate() -> None:
    """Update the database schema to this version."""
    from infra.bootstrap.policies import update_schema
    from infra.settings.load import load_for_migration

    applied = update_schema(load_for_migration().owner.url.get_secret_value())
    typer.echo("\n".join(applied) or "Nothing to do: the schema is up to date.")


@app.command()
def settings() -> None:
    """Show every setting, with secrets masked."""
    from infra.cli.terminal import Terminal
    from infra.settings.display import misspelt, shown
    from infra.settings.load import load, load_for_migration

    console = Terminal()
    for variable, value, description in [*shown(load()), *shown(load_for_migration())]:
        console.print(f"# {description}", style="dim")
        console.print(f"{variable}={value}")
    for sentence in misspelt():
        Terminal(stderr=True).print(sentence, style="yellow")


@app.command("new-keys")
def new_keys() -> None:
    """Print a new key document, for an installation that keeps its keys elsewhere."""
    from infra.sealing.key_ring import KeyRing

    typer.echo(KeyRing.new().document(), nl=False)


@app.command()
def doctor() -> None:
    """Check everything an installation needs, and say how to correct what is wrong."""
    from infra.cli.doctor import doctor as examine

    raise typer.Exit(0 if examine() else 1)


@app.command(context_settings=GROUP)
def events(context: typer.Context) -> None:
    """Inspect the event log: tail, show."""
    from infra.cli import events as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest events")


@app.command(context_settings=GROUP)
def audit(context: typer.Context) -> None:
    """Prove, verify and replay the history: certificate, key, prove, replay, verify."""
    from infra.cli import audit as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest audit")


@app.command(context_settings=GROUP)
def jobs(context: typer.Context) -> None:
    """Manage the background jobs: cancel, discard, list, retry, show."""
    from infra.cli import jobs as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest jobs")


@app.command(context_settings=GROUP)
def models(context: typer.Context) -> None:
    """Manage the language models: limit, list, pause, resume."""
    from infra.cli import models as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest models")


@app.command(context_settings=GROUP)
def generations(context: typer.Context) -> None:
    """Manage the generations: discard, list, retry, show, unknown."""
    from infra.cli import generations as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest generations")


@app.command(context_settings=GROUP)
def keys(context: typer.Context) -> None:
    """Manage the keys: backup, list, restore, rotate."""
    from infra.cli import keys as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest keys")


@app.command(context_settings=GROUP)
def projections(context: typer.Context) -> None:
    """Manage the read models: drop, list, rebuild, retry, skip."""
    from infra.cli import projections as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest projections")


@app.command(context_settings=GROUP)
def policies(context: typer.Context) -> None:
    """Manage the policies: list, retry, skip."""
    from infra.cli import policies as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest policies")


@app.command(context_settings=GROUP)
def erase(context: typer.Context) -> None:
    """Erase a user, a document, a team or an email address, for good."""
    from infra.cli import erase as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest erase")


@app.command(context_settings=GROUP)
def hold(context: typer.Context) -> None:
    """Keep what the law requires: ask, confirm, decline, lift, show."""
    from infra.cli import hold as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest hold")


@app.command(context_settings=GROUP)
def stream(context: typer.Context) -> None:
    """Inspect the stream published to Kafka: topics, tail, export, reconcile."""
    from infra.cli import published as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest stream")


@app.command(context_settings=GROUP)
def mail(context: typer.Context) -> None:
    """Show the mails, and try the mail server: preview, send-test."""
    from infra.cli import mail as group

    log_errors_only()
    group.app(context.args, prog_name="palimpsest mail")


def log_errors_only() -> None:
    """Log errors only, apart from the output: for commands whose own output says what is wrong."""
    from infra.telemetry.logs import configure_logging

    configure_logging("ERROR", "console", sys.stderr)


def main() -> None:
    """Run a command. A known failure prints a sentence and exits with code 2, without a traceback."""
    try:
        app()
    except SetupError as error:
        typer.secho(printable_lines(str(error)), fg="red", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
