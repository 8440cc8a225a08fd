"""The progress bar of all commands."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from infra.cli.terminal import Terminal
from infra.progress import Progress


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """Show a bar on standard error, only on a terminal: it does not mix with the output."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    errors = Terminal(stderr=True)
    with Bar(*columns, TimeRemainingColumn(), console=errors, disable=not errors.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, goal: bar.update(task, completed=done, total=goal)
