"""Sizes: functions and files stay small enough to be read at once. Each limit is seen to refuse."""

import ast
from collections.abc import Iterator

from tests.architecture.source import functions, production

MAX_FUNCTION_LINES = 40
MAX_FILE_LINES = 400


def long_functions(tree: ast.Module) -> Iterator[str]:
    """The functions with more lines than the limit."""
    for function in functions(tree):
        lines = (function.end_lineno or 0) - function.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            yield f"{function.name} ({lines})"


def is_long(text: str) -> bool:
    """Whether a file has more lines than the limit."""
    return text.count("\n") > MAX_FILE_LINES


def test_functions_are_short() -> None:
    found = {source.name: list(long_functions(source.tree)) for source in production()}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_files_are_short() -> None:
    assert [source.name for source in production() if is_long(source.text)] == []


def test_a_long_function_and_a_long_file_are_found() -> None:
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert list(long_functions(ast.parse(f"def long():\n{body}"))) == [f"long ({MAX_FUNCTION_LINES + 1})"]
    assert list(long_functions(ast.parse(f"def short():\n{body[9:]}"))) == []
    assert is_long("\n" * (MAX_FILE_LINES + 1))
    assert not is_long("\n" * MAX_FILE_LINES)
