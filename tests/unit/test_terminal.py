"""What users wrote reaches a terminal as one line a text, and is shown, not obeyed."""

import ast
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from typer.testing import CliRunner

from application.ports import EventFilter
from domain.content.document import Document
from infra.cli import events, main
from infra.cli.terminal import Terminal
from infra.errors import SetupError
from infra.printable import printable, printable_lines
from tests.architecture.source import Source, production
from tests.support.given import NOW
from tests.support.projecting import news

EVIL = "a\n999999 forged \x1b[2J :smile: [red]x[/red] [/] \x9b31m \u202e"
SHOWN = r"a\u000a999999 forged \u001b[2J :smile: [red]x[/red] [/] \u009b31m \u202e"


class _Feed:
    """A log with one document."""

    def __init__(self) -> None:
        title = "[bold]Title[/bold] :smile:"
        document = Document.create(id=UUID(int=1), owner_id=UUID(int=2), title=title, content=EVIL, now=NOW)
        self._events = news(document)

    async def head(self) -> int:
        return len(self._events)

    async def read(self, after: int, limit: int) -> list[Any]:
        return self._events[after : after + limit]

    async def stream(self, stream_id: UUID, first: int, last: int) -> list[Any]:
        return self._events[first - 1 : last]


class _NoRecord:
    """Records nothing."""

    async def record_page(self, command: str, wanted: EventFilter, after: int, number: int) -> None: ...


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> None:
    @asynccontextmanager
    async def feed(unseal: bool, by: str | None) -> AsyncIterator[tuple[_Feed, _NoRecord]]:
        yield _Feed(), _NoRecord()

    monkeypatch.setattr(events, "_feed", feed)


@pytest.mark.parametrize("words", [("tail",), ("show", str(UUID(int=1)))])
@pytest.mark.usefixtures("log")
def test_an_event_is_one_line_whatever_was_written(words: tuple[str, ...]) -> None:
    """Case 5: a content with a line of its own forged an event, cleared the terminal and became an emoji."""
    (line,) = CliRunner().invoke(events.app, [*words, "--unseal"]).output.splitlines()
    assert f"title=[bold]Title[/bold] :smile: title_length=26 content={SHOWN} " in line


def test_a_table_shows_texts_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("[red]column[/red]")
    table.add_row(":smile: [red]x[/red]")
    Terminal().print(table)
    output = capsys.readouterr().out
    assert ":smile: [red]x[/red]" in output
    assert "[red]column[/red]" in output


def test_a_failure_is_shown_without_what_would_control_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise SetupError("the server says \x1b[2J\x07\nsecond line")

    monkeypatch.setattr(main, "app", fail)
    with pytest.raises(SystemExit):
        main.main()
    assert capsys.readouterr().err == "the server says \\u001b[2J\\u0007\nsecond line\n"


@given(st.text())
def test_a_printable_text_is_one_line(text: str) -> None:
    assert printable(text).isprintable()
    assert len(printable_lines(text).split("\n")) == len(text.split("\n"))


def consoles(source: Source) -> list[str]:
    """Uses of a console of the library, or of markup, outside `infra/cli/terminal.py`."""
    found = []
    for node in ast.walk(source.tree):
        if (
            isinstance(node, ast.ImportFrom)
            and node.module in ("rich.console", "rich")
            and source.path.name != "terminal.py"
        ):
            found.append(f"{source.name}: imports {node.module}")
        if isinstance(node, ast.keyword) and node.arg in ("markup", "emoji") and source.path.name != "terminal.py":
            found.append(f"{source.name}: sets {node.arg}")
    return found


def test_one_file_opens_the_terminal() -> None:
    assert [use for source in production() for use in consoles(source)] == []
