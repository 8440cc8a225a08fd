"""Verdicts of a check: True for each thing that holds, and words for each that does not.

A check that has looked at nothing shows: it yields no verdict.
"""

from collections.abc import Callable, Iterator
from typing import Literal

from tests.chaos.evidence import Evidence

Verdicts = Iterator[Literal[True] | str]
Check = Callable[[Evidence], Verdicts]


def holds(condition: bool, words: str) -> Literal[True] | str:
    """True, or the words."""
    return True if condition else words
