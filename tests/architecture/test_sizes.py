"""Sizes: functions and files stay small enough to be read at once. Each limit is seen to refuse."""

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.source import Source, functions, production

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


@pytest.mark.parametrize("source", production(), ids=lambda source: source.name)
def test_files_and_functions_are_short(source: Source) -> None:
    assert list(long_functions(source.tree)) == []
    assert not is_long(source.text)


def test_a_long_function_and_a_long_file_are_found() -> None:
    body = "    pass\n" * MAX_FUNCTION_LINES
    assert list(long_functions(ast.parse(f"def long():\n{body}"))) == [f"long ({MAX_FUNCTION_LINES + 1})"]
    assert list(long_functions(ast.parse(f"def short():\n{body[9:]}"))) == []
    assert is_long("\n" * (MAX_FILE_LINES + 1))
    assert not is_long("\n" * MAX_FILE_LINES)
