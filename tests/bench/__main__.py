"""`make bench`: measures our paths beside their peers, on one PostgreSQL, in one run."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from infra.telemetry.logs import configure_logging
from tests.bench import (
    append,
    audit,
    dispatch,
    edits,
    extras,
    generations,
    growth,
    http,
    identity,
    jobs,
    kafka_project,
    kafka_relay,
    lists,
    load,
    logins,
    memory,
    policies,
    project,
    rebuild,
    report,
    rotate,
    sealing,
    sessions,
    streams,
    versions,
    visible,
    watching,
)
from tests.bench.harness import Bench, Row
from tests.support.servers import own_postgres

PATHS: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "append": append.rows,
    "audit": audit.rows,
    "sealing": sealing.rows,
    "load": load.rows,
    "versions": versions.rows,
    "project": project.rows,
    "rebuild": rebuild.rows,
    "http": http.rows,
    "edits": edits.rows,
    "lists": lists.rows,
    "visible": visible.rows,
    "relay": kafka_relay.rows,
    "kafka": kafka_project.rows,
    "jobs": jobs.rows,
    "generations": generations.rows,
    "growth": growth.rows,
    "dispatch": dispatch.rows,
    "extras": extras.rows,
    "memory": memory.rows,
    "rotate": rotate.rows,
    "sessions": sessions.rows,
    "logins": logins.rows,
    "identity": identity.rows,
    "policies": policies.rows,
    "streams": streams.rows,
    "watching": watching.rows,
}


def measure(names: list[str], rounds: int, scale: float, file: Path | None) -> list[Row]:
    """Measure the paths called `names`, show what came out and write it to `file`."""
    with own_postgres() as postgres:
        bench = Bench(postgres, rounds, scale)
        known = report.conditions(bench)
        report.show_conditions(known)
        rows: list[Row] = []
        try:
            for name in names:
                with report.console.status(name):
                    for row in PATHS[name](bench):
                        rows.append(row)
        finally:
            # The measured rows are shown, whatever happens later.
            report.show(rows)
            if file:
                report.write(file, known, rows)
    return rows


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    only: Annotated[str, typer.Option(help=f"Which paths, separated by commas: {', '.join(PATHS)}.")] = "",
    json: Annotated[Path | None, typer.Option(help="Also write the result to this file.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each side.")] = 5,
    scale: Annotated[float, typer.Option(min=0.001, max=1, help="Less than 1: quicker, and worth less.")] = 1,
) -> None:
    """Measure, and say which paths fell short."""
    configure_logging("ERROR", "console")
    # As the API does after its start; the same for the peers.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    names = [name.strip() for name in only.split(",") if name.strip()] or list(PATHS)
    unknown = set(names) - set(PATHS)
    if unknown:
        raise typer.BadParameter(f"There is no {', '.join(sorted(unknown))}; there are {', '.join(PATHS)}.")
    measure(names, rounds, scale, json)


if __name__ == "__main__":
    app()
