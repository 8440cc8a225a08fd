"""Says under which conditions something was measured, and what came out: to people as a table, to programs as JSON."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

import psycopg
from rich.console import Console
from rich.table import Table

from infra.local.servers.postgres import SETTINGS
from tests.bench.harness import Bench, Row

LIBRARIES = (
    "eventsourcing",
    "psycopg",
    "msgspec",
    "cryptography",
    "fastapi",
    "uvicorn",
    "uvloop",
    "sqlalchemy",
    "asyncpg",
)
SHOWN = ("fsync", "synchronous_commit", "full_page_writes", *SETTINGS)

console = Console(width=140, highlight=False)


def conditions(bench: Bench) -> dict[str, str]:
    """What the figures depend on."""
    with psycopg.connect(bench.postgres.admin_url) as connection:
        found = connection.execute(
            "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", [list(SHOWN)]
        )
        settings: dict[str, str] = dict(found.fetchall())
        server = connection.info.server_version
    return {
        "machine": f"{len(os.sched_getaffinity(0))} cores, {platform.machine()}, {_memory()} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "Python": platform.python_version(),
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "PostgreSQL": f"{server // 10000}.{server % 10000}, on this machine",
        "settings": ", ".join(f"{name}={settings[name]}" for name in SHOWN if settings.get(name)),
        "rounds": f"{bench.rounds}, in turns, the first turn of each left out; medians, and the median of the ratios",
    }


def show_conditions(known: dict[str, str]) -> None:
    """Before anything is measured."""
    for name, value in known.items():
        console.print(f"[bold]{name}[/bold]: {value}")
    console.print()


def show(rows: Sequence[Row]) -> None:
    """Two tables: the paths with a reach, then all else."""
    table = _table("path", "unit", "ours", "peer", "ratio", "reach", "")
    for row in rows:
        if row.reach is not None:
            ratio = "" if row.ratio is None else f"{row.ratio:.2f}x"
            verdict = "[green]held[/green]" if row.held else "[bold red]missed[/bold red]"
            table.add_row(row.name, row.unit, _figure(row.ours), _figure(row.peer), ratio, _reach(row), verdict)
    console.print(table)
    more = _table("also measured", "unit", "ours", "peer", "ratio")
    for (name, unit, _), found in groupby((row for row in rows if row.reach is None), key=_subject):
        group = list(found)
        last = " / ".join(row.name.removeprefix(f"{name}: ") for row in group if row.name != name)
        ratios = [f"{row.ratio:.2f}x" for row in group if row.ratio is not None]
        path = f"{name}: {last}" if last else name
        more.add_row(path, unit, _figures(row.ours for row in group), _figures(row.peer for row in group), *ratios)
    console.print(more)


def _subject(row: Row) -> tuple[str, str, bool]:
    """What is the same for rows that go into one line: a path's percentiles."""
    return row.name.partition(": p")[0], row.unit, row.ratio is None


def _table(*columns: str) -> Table:
    table = Table()
    for n, column in enumerate(columns):
        table.add_column(column, justify="right" if n > 1 else "left")
    return table


def write(file: Path, known: dict[str, str], rows: Sequence[Row]) -> None:
    """Everything as one JSON object: `conditions`, and `rows`, one object each."""
    file.write_text(json.dumps({"conditions": known, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def _reach(row: Row) -> str:
    if row.reach is None:
        return ""
    return f"< {row.reach:g}" if row.ratio is None else f"≥ {row.reach:g}x"


def _figures(values: Iterable[float | None]) -> str:
    return " / ".join(figure for value in values if (figure := _figure(value)))


def _figure(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
