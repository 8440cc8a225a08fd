"""Words: what users and readers get is in plain English. The list has the words that readers stumbled over."""

import ast
import importlib
import io
import re
import tokenize
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from adapters.integration_events.asyncapi import LOCAL, describe
from tests.architecture.source import PACKAGES, PROJECT, Source, production, written_tests
from tests.support.http import openapi_schema

ODD = re.compile(
    r"(?<![`'])\b(?:whoever|nobody|anew|those who|(?:is|are|was|were|be) told|told of|tells? of|credibly|"
    r"the house|of our own making|no news|not news|stands? still)\b",
    re.IGNORECASE,
)
KINDS = ("*.md", "*.sql", "*.jinja", "*.html")
TEXTS = [
    PROJECT / "README.md",
    *(file for name in PACKAGES for kind in KINDS for file in sorted((PROJECT / name).rglob(kind))),
]
PUBLIC_KEYS = {"description", "summary", "title"}


def odd(text: str) -> list[str]:
    """The words of a text that are on the list."""
    return ODD.findall(" ".join(text.split()))


def described(schema: Any) -> Iterator[str]:
    """Every text for people in an OpenAPI or AsyncAPI document."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key in PUBLIC_KEYS and isinstance(value, str):
                yield value
            yield from described(value)
    elif isinstance(schema, list):
        for each in schema:
            yield from described(each)


def helped(command: Any) -> Iterator[str]:
    """Every help text of a command and of the commands within it."""
    yield command.help or ""
    yield from filter(None, (getattr(parameter, "help", None) for parameter in command.params))
    for inner in getattr(command, "commands", {}).values():
        yield from helped(inner)


def cli_apps() -> Iterator[typer.Typer]:
    """The command, and its groups, which are files of their own."""
    for file in sorted((PROJECT / "infra" / "cli").glob("*.py")):
        app = getattr(importlib.import_module(f"infra.cli.{file.stem}"), "app", None)
        if app is not None:
            yield app


def strings(source: Source) -> Iterator[str]:
    """Every string with a space: errors, reasons, words of the terminal, rules for models, docstrings."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def explained(source: Source) -> Iterator[tuple[int, str]]:
    """Every docstring, also of a constant or an attribute, and every comment, with its line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value
    for token in tokenize.generate_tokens(io.StringIO(source.text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def test_openapi_is_in_plain_words() -> None:
    assert [text for text in described(openapi_schema()) if odd(text)] == []


def test_asyncapi_is_in_plain_words() -> None:
    assert [text for text in described(describe(LOCAL)) if odd(text)] == []


def test_the_command_line_is_in_plain_words() -> None:
    texts = [text for app in cli_apps() for text in helped(typer.main.get_command(app))]
    assert len(texts) > 40
    assert [text for text in texts if odd(text)] == []


def test_strings_are_in_plain_words() -> None:
    suspect = [source for source in production() if odd(source.text)]
    found = {source.name: [text for text in strings(source) if odd(text)] for source in suspect}
    assert {name: texts for name, texts in found.items() if texts} == {}


def test_docstrings_and_comments_are_in_plain_words() -> None:
    suspect = [source for source in (*production(), *written_tests()) if odd(source.text)]
    found = {source.name: {line: odd(text) for line, text in explained(source) if odd(text)} for source in suspect}
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_readmes_records_sql_mails_and_pages_are_in_plain_words() -> None:
    found = {str(file): odd(file.read_text()) for file in TEXTS}
    assert {name: words for name, words in found.items() if words} == {}


@pytest.mark.parametrize("text", ["Whoever asks gets it.", "It is told\nof a change.", "Those who\nmay read it."])
def test_an_odd_word_is_found(text: str) -> None:
    assert odd(text)


@pytest.mark.parametrize("code", ['LIMIT = 1\n"""As many otters as there are."""\n', "pass  # for otters\n"])
def test_an_odd_word_is_found_beside_a_constant_and_in_a_comment(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "ODD", re.compile("otters"))
    source = Source(PROJECT / "code.py", code)
    assert [odd(text) for _, text in explained(source) if odd(text)] == [["otters"]]
