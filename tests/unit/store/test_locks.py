"""The registry of locks names everything that the SQL files and the code lock."""

import re
from collections import Counter
from pathlib import Path

from infra.postgres.locks import (
    ALL_LOCKS,
    ENQUEUING,
    LOCK_APPENDS,
    LOCK_INVALIDATIONS,
    LOCK_SECURITY_NUMBERS,
    LOCK_TURNS,
)

PROJECT = Path(__file__).parents[3]
LOCK_TABLE = re.compile(r"LOCK TABLE [^;]+")
LOCKING = re.compile(r"advisory\w*lock\w*\s*\(\s*(-?\d+)")


def test_no_two_locks_share_a_key() -> None:
    keys = Counter((lock.key, lock.is_pair) for lock in ALL_LOCKS)
    assert set(keys.values()) == {1}


def test_l13_functions_lock_tables_as_the_registry_says_and_nothing_that_any_login_can_lock() -> None:
    files = sorted((PROJECT / "infra").rglob("*.sql"))
    statements = [statement for file in files for statement in LOCK_TABLE.findall(file.read_text())]
    assert Counter(statements) == Counter(
        [ENQUEUING, LOCK_APPENDS, LOCK_INVALIDATIONS, LOCK_SECURITY_NUMBERS, LOCK_TURNS]
    )
    assert [file for file in files if "advisory" in file.read_text()] == []


def test_the_code_takes_the_numbers_from_the_registry() -> None:
    registry = PROJECT / "infra/postgres/locks.py"
    numbers = [str(abs(lock.key)) for lock in ALL_LOCKS]
    repeated = [
        file
        for file in sorted((PROJECT / "infra").rglob("*.py"))
        if file != registry and (LOCKING.search(text := file.read_text()) or any(number in text for number in numbers))
    ]
    assert repeated == []
