"""Progress of long commands: a bar for eyes, lines for a pipe."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from infra.cli.progress_bar import progress_bar
from infra.cli.terminal import Terminal
from infra.progress import Progress

LINES = 10
"""Lines for the whole of a task, about."""


@contextmanager
def told_progress(what: str) -> Iterator[Progress]:
    """Show a bar on standard error if it is a terminal; else write a line to it after each tenth."""
    if Terminal(stderr=True).is_terminal:
        with progress_bar(what) as progress:
            yield progress
    else:
        yield _lines(what)


def _lines(what: str) -> Progress:
    told = -1

    def tell(done: int, goal: int) -> None:
        nonlocal told
        part = LINES * done // goal if goal else LINES
        if part < told:
            told = -1  # the next task
        if part > told:
            told = part
            typer.echo(f"{what}: {done:,} of {goal:,}", err=True)

    return tell
