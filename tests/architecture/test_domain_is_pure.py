"""The domain takes time and ids as parameters: it reads no clock and draws no lots. Import rules cannot see calls."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

DOMAIN = Path(__file__).parents[2] / "domain"
IMPURE_CALLS = {"now", "utcnow", "today", "uuid1", "uuid4", "uuid7", "open", "input", "print"}


def impurities(source: str) -> Iterator[str]:
    """Calls that would make the same history give different states."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in IMPURE_CALLS:
                yield name


@pytest.mark.parametrize("file", sorted(DOMAIN.rglob("*.py")), ids=lambda file: file.stem)
def test_the_domain_reads_no_clock_and_draws_no_lots(file: Path) -> None:
    assert list(impurities(file.read_text())) == []


@pytest.mark.parametrize("line", ["datetime.now(UTC)", "uuid4()", "date.today()", "uuid.uuid4()", "open('x')"])
def test_an_impure_call_is_seen(line: str) -> None:
    assert list(impurities(f"def apply(self, aggregate):\n    aggregate.at = {line}\n"))
