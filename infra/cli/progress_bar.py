"""Progress of long commands on standard error: it does not mix with the output."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from infra.cli.terminal import Terminal
from infra.progress import Progress

LINES = 10
"""Lines for the whole of a task, about."""


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar if standard error is a terminal, else nothing."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    errors = Terminal(stderr=True)
    with Bar(*columns, TimeRemainingColumn(), console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, goal: bar.update(task, completed=done, total=goal)


@contextmanager
def bar_or_lines(what: str) -> Iterator[Progress]:
    """Show a bar if standard error is a terminal, else write a line after each tenth."""
    if Terminal(stderr=True).is_terminal:
        with progress_bar(what) as progress:
            yield progress
    else:
        yield _lines(what)


def _lines(what: str) -> Progress:
    written = -1

    def write(done: int, goal: int) -> None:
        nonlocal written
        part = LINES * done // goal if goal else LINES
        if part < written:
            written = -1  # the next task
        if part > written:
            written = part
            typer.echo(f"{what}: {done:,} of {goal:,}", err=True)

    return write
