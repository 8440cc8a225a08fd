"""The registry of advisory locks names every number that the SQL files and the code lock."""

import re
from collections import Counter
from pathlib import Path

from infra.postgres.locks import ALL_LOCKS

PROJECT = Path(__file__).parents[3]
LOCKING = re.compile(r"advisory\w*lock\w*\s*\(\s*(-?\d+)")


def test_no_two_locks_share_a_key() -> None:
    keys = Counter((lock.key, lock.is_pair) for lock in ALL_LOCKS)
    assert set(keys.values()) == {1}


def test_the_sql_files_lock_registered_numbers_only() -> None:
    files = sorted((PROJECT / "infra").rglob("*.sql"))
    numbers = {int(number) for file in files for number in LOCKING.findall(file.read_text())}
    assert numbers
    assert numbers <= {lock.key for lock in ALL_LOCKS if not lock.is_pair}


def test_the_code_takes_the_numbers_from_the_registry() -> None:
    registry = PROJECT / "infra/postgres/locks.py"
    numbers = [str(abs(lock.key)) for lock in ALL_LOCKS]
    repeated = [
        file
        for file in sorted((PROJECT / "infra").rglob("*.py"))
        if file != registry and (LOCKING.search(text := file.read_text()) or any(number in text for number in numbers))
    ]
    assert repeated == []
