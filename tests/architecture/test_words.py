"""Words: what users and readers get is in plain English. The list has the words that readers stumbled over."""

import ast
import importlib
import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from adapters.integration_events.asyncapi import LOCAL, describe
from tests.architecture.source import PACKAGES, PROJECT, Source, production
from tests.support.http import openapi_schema

ODD = re.compile(
    r"(?<![`'])\b(?:whoever|nobody|anew|those who|(?:is|are|was|were|be) told|told of|tells? of|credibly|"
    r"the house|of our own making|no news|not news|stands? still)\b",
    re.IGNORECASE,
)
TEXTS = [
    PROJECT / "README.md",
    *(file for name in PACKAGES for kind in ("*.md", "*.sql") for file in sorted((PROJECT / name).rglob(kind))),
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


def raised(source: Source) -> Iterator[str]:
    """The texts in `raise` statements: refusals, problems, errors of the command line."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Raise):
            yield from (
                each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )


def docstrings(source: Source) -> Iterator[tuple[str, str]]:
    """Every docstring, with the name of what it describes."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "name", "module"), text


def test_openapi_is_in_plain_words() -> None:
    assert [text for text in described(openapi_schema()) if odd(text)] == []


def test_asyncapi_is_in_plain_words() -> None:
    assert [text for text in described(describe(LOCAL)) if odd(text)] == []


def test_the_command_line_is_in_plain_words() -> None:
    texts = [text for app in cli_apps() for text in helped(typer.main.get_command(app))]
    assert len(texts) > 40
    assert [text for text in texts if odd(text)] == []


@pytest.mark.parametrize("source", production(), ids=lambda source: source.name)
def test_errors_and_docstrings_are_in_plain_words(source: Source) -> None:
    assert [text for text in raised(source) if odd(text)] == []
    assert {name: odd(text) for name, text in docstrings(source) if odd(text)} == {}


@pytest.mark.parametrize("file", TEXTS, ids=str)
def test_readmes_records_and_sql_are_in_plain_words(file: Any) -> None:
    assert odd(file.read_text()) == []


@pytest.mark.parametrize("text", ["Whoever asks gets it.", "It is told\nof a change.", "Those who\nmay read it."])
def test_an_odd_word_is_found(text: str) -> None:
    assert odd(text)
