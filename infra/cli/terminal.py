"""The terminal of all commands. Only this file opens one (a test checks it)."""

from typing import Any

import typer
from rich.console import Console

from infra.printable import printable_lines


class Terminal(Console):
    """A console that shows every text as it is: no markup, no names of emoji, no control characters.

    What is shown may come from users. Colours come from `style`.
    """

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print texts, and tables and bars of the library. Options as in `rich`."""
        super().print(*(printable_lines(each) if isinstance(each, str) else each for each in objects), **options)


def failure(message: str) -> typer.Exit:
    """Print why a command failed, to stderr, and return what to raise: it ends the command with code 1."""
    Terminal(stderr=True).print(message, style="red")
    return typer.Exit(1)
