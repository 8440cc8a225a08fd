"""`palimpsest stream`: inspects, exports and verifies the stream published to Kafka."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import psycopg
import typer
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.errors import KafkaError
from rich.box import SIMPLE_HEAD
from rich.table import Column, Table
from rich.text import Text

from application.ports import Unavailable
from domain.kernel import Root
from infra.bootstrap.write_side import open_for_command, part_url, process_keys
from infra.cli.options import AsJson
from infra.cli.progress_bar import progress_bar
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.kafka.client import config
from infra.kafka.client.connect import open_consumer
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.reconcile.differences import Report
from infra.kafka.relay.topic_setup import connect
from infra.settings.kafka import KafkaSettings
from infra.settings.load import load, load_for_reading
from infra.settings.model import Settings

app = typer.Typer(
    help="Inspect the published stream.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
console = Terminal()

First = Annotated[int | None, typer.Option("--from", help="Begin at this position.", min=1)]
Last = Annotated[int | None, typer.Option("--to", help="End at this position; default: the end of both.")]


@app.command()
def topics(as_json: AsJson = False) -> None:
    """Show the topics: their contents, and how far they are behind the store."""
    from infra.kafka.tools.topic_status import topic_statuses

    settings = load(part="relay")
    url = part_url(settings, "relay")
    with _consumer(settings.kafka) as consumer, _admin(settings.kafka) as admin, connect(url) as store:
        found = topic_statuses(consumer, admin, config.topics(settings.kafka), store)
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
        return
    table = _table([each.topic for each in found], "partitions", "records", "position", "behind", "keeps")
    for each in found:
        table.add_row(
            each.topic, *map(str, (each.partitions, each.records, each.position, each.behind)), each.retention
        )
    console.print(table)


@app.command()
def tail(
    names: Annotated[list[str] | None, typer.Argument(help="Topics or aggregates; default: all public ones")] = None,
    first: First = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for new records, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print records of topics, one on each line: from a position on, or the last ten."""
    from infra.kafka.tools import tail as lines

    kafka = load_for_reading().kafka
    wanted = [_topic(config.topics(kafka), name) for name in names or AGGREGATES]
    with _consumer(kafka) as consumer, _until_interrupted():
        for record in lines.tail(consumer, wanted, first=first, follow=follow):
            if as_json:
                typer.echo(lines.as_json(record))
            else:
                head, kind, rest = lines.as_words(record)
                console.print(Text.assemble((head, "dim"), " ", (kind, "bold cyan"), " ", rest))


@app.command()
def export(
    names: Annotated[list[str], typer.Argument(help="Aggregates, or their public topics")],
    to: Annotated[Path, typer.Option(help="Target folder; each aggregate has a subfolder.")] = Path("export"),
) -> None:
    """Write public events to Parquet files; a later run adds the new ones."""
    try:
        from infra.kafka.tools.export import export as write
    except ImportError:
        raise SetupError("Parquet needs pyarrow, which is not installed: pip install 'palimpsest[export]'") from None

    kafka = load_for_reading().kafka
    published = {config.topics(kafka).public(aggregate): aggregate for aggregate in AGGREGATES}
    for name in names:
        topic = _topic(config.topics(kafka), name)
        if topic not in published:
            raise SetupError(f"{name} is not a topic of public events. There are: {', '.join(AGGREGATES)}.")
        aggregate = published[topic]
        with _consumer(kafka) as consumer, progress_bar(f"exporting {aggregate}") as progress:
            done = write(consumer, topic, aggregate, to / aggregate, progress)
        console.print(f"{topic}: {done.events} new events, in {done.files} files below {to / aggregate}")
        for count, what in ((done.skipped, "are not events"), (done.lost, "were deleted before the export")):
            if count:
                Terminal(stderr=True).print(f"{count} records {what}.", style="yellow")


@app.command()
def reconcile(
    first: First = None,
    last: Annotated[int | None, typer.Option("--to", help="End at this position; default: the end of both.")] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds to wait for events that are not in the topics yet.", min=0)
    ] = 5.0,
    as_json: AsJson = False,
) -> None:
    """Verify that the topics hold the same events as the store, in order. Exits with 1 at the first difference."""
    from infra.kafka.reconcile.reconcile import reconcile as compare

    settings = load(part="relay")
    with _reachable(), progress_bar("comparing") as progress:
        report = compare(
            part_url(settings, "relay"),
            config.connection(settings.kafka),
            config.topics(settings.kafka),
            process_keys(settings).stamps,
            lambda kind, ids: asyncio.run(_gone(settings, kind, ids)),
            first=first or 1,
            last=last,
            timeout=patience,
            progress=progress,
        )
    typer.echo(json.dumps(_as_dict(report))) if as_json else _show(report)
    if not report.ok:
        raise typer.Exit(1)


def _show(report: Report) -> None:
    table = _table(list(report.counts), "right", "repeats", "watermarks", "skipped")
    for topic, count in report.counts.items():
        table.add_row(topic, *map(str, (count.events, count.repeats, count.watermarks, count.skipped)))
    console.print(table)
    if report.difference is None:
        agreed = f"Store and topics agree from position {report.first} to {report.last}."
        console.print(agreed, style="green")
    else:
        console.print(f"The first difference is {report.difference}", style="red")


def _table(names: Sequence[str], *others: str) -> Table:
    """A table whose first column is never truncated: topic names must be easy to copy."""
    table = Table(Column("topic", min_width=max(map(len, names), default=0)), box=SIMPLE_HEAD)
    for other in others:
        table.add_column(other, justify="right")
    return table


def _as_dict(report: Report) -> dict[str, Any]:
    return {"ok": report.ok, **asdict(report)}


async def _gone(settings: Settings, kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
    from infra.kafka.reconcile.reconcile import find_closed

    async with open_for_command(settings, "relay") as core:
        return await find_closed(core.store, kind, ids)


def _topic(topics: Topics, name: str) -> str:
    """The topic with this name, or of the aggregate with this name."""
    known = [*topics.events(), *topics.states()]
    if name in AGGREGATES:
        return topics.public(name)
    if name not in known:
        raise SetupError(f"There is no topic {name}. There are: {', '.join([*AGGREGATES, *known])}.")
    return name


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl-C ends the command normally."""
    try:
        yield
    except KeyboardInterrupt:
        return


@contextmanager
def _consumer(kafka: KafkaSettings) -> Iterator[KafkaConsumer]:
    with _reachable(), closing(open_consumer(config.connection(kafka))) as consumer:
        yield consumer


@contextmanager
def _admin(kafka: KafkaSettings) -> Iterator[KafkaAdminClient]:
    with closing(KafkaAdminClient(**config.connection(kafka))) as admin:
        yield admin


@contextmanager
def _reachable() -> Iterator[None]:
    """Report an unavailable server in a sentence."""
    try:
        yield
    except KafkaError as error:
        raise SetupError(f"Kafka does not answer as expected ({type(error).__name__}: {error}).") from None
    except psycopg.OperationalError:
        raise SetupError("The database is not available. `palimpsest doctor` says more.") from None
    except Unavailable as error:
        raise SetupError(f"{error}. `palimpsest doctor` says more.") from None
