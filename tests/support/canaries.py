"""Canaries: a word of its own in each personal field of each event, and the search for them where bytes are kept.

A canary is a mark of the test, 16 characters by chance, and the number of its field. Bytes are searched for each part
of the mark that is eight characters long: compressed values of PostgreSQL (pglz) keep so many of a new word together.
"""

import re
import secrets
from collections.abc import Iterator
from copy import deepcopy
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args, get_type_hints
from uuid import UUID, uuid4

import psycopg
from eventsourcing.utils import get_topic

from domain.kernel import Root, events_of
from infra.store.codec import layout_of
from tests.support.lives import LIVES
from tests.support.servers import Database
from tests.support.stores import rows

ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"
MARK_LENGTH, PART_LENGTH, NUMBER_LENGTH = 16, 8, 3
LONG = 12_000
"""So many characters PostgreSQL keeps outside of the row (TOAST)."""

Field = tuple[str, str]
"""The topic of an event, and the name of its field."""


FOLDERS = "SELECT current_setting('data_directory'), oid FROM pg_database WHERE datname = current_database()"


def files_of(database: Database) -> tuple[Path, Path]:
    """The folders of the files of a database, and of the write-ahead log of its server."""
    [(folder, oid)] = rows(database.admin_url, FOLDERS)
    return Path(folder) / "base" / str(oid), Path(folder) / "pg_wal"


def personal_fields() -> list[Field]:
    """All personal fields of all events that any aggregate has."""
    kinds = {type(root) for root in LIVES}
    events = {get_topic(event): event for kind in kinds for event in events_of(kind) if hasattr(event, "TOPIC")}
    return [
        (topic, name)
        for topic, event in sorted(events.items())
        for group in layout_of(event).groups
        for name in group.names
    ]


class Canaries:
    """The canaries of one test."""

    def __init__(self) -> None:
        self.mark = "".join(secrets.choice(ALPHABET) for _ in range(MARK_LENGTH))
        self.fields = personal_fields()
        self.users: set[UUID] = set()
        self.addresses: set[UUID] = set()
        """Users and addresses that streams of others are about."""

    def word(self, field: Field) -> str:
        """The canary of a field."""
        return f"{self.mark}{self.fields.index(field):0{NUMBER_LENGTH}d}"

    def lives(self) -> list[Root]:
        """A full life of each aggregate but for its erasure, with a canary in each personal field of its events.

        Each has an id of its own. Those that have nothing but erasures are left out.
        """
        return [*filter(None, map(self._life, deepcopy(LIVES)))]

    def _life(self, root: Root) -> Root | None:
        pending = cast(list[Root.Event], root.pending_events)
        id, events = uuid4(), [event for event in pending if not event.erases]
        for event in events:
            object.__setattr__(event, "originator_id", id)
            for group in layout_of(type(event)).groups:
                if group.subject != "originator_id":
                    (self.addresses if group.reusable else self.users).add(getattr(event, group.subject))
                for name in group.names:
                    value = self._with_canary((get_topic(type(event)), name), getattr(event, name), type(event))
                    object.__setattr__(event, name, value)
        root._id, root._version, root._pending_events = id, len(events), [*events]
        return root if events else None

    def _with_canary(self, field: Field, value: Any, event: type[Root.Event]) -> Any:
        """Return a value of the field's type with its canary in it."""
        word = self.word(field)
        if value is None:
            assert str in get_args(get_type_hints(event)[field[1]]), field
            return word
        if isinstance(value, str):
            more = "".join(secrets.choice(ALPHABET) for _ in range(LONG)) if field[1] == "content" else ""
            return f"{word}{value}{more}"
        assert isinstance(value, list), field
        return [word, *value]

    @cached_property
    def _parts(self) -> list[bytes]:
        ends = range(PART_LENGTH, MARK_LENGTH + 1)
        return [self.mark[end - PART_LENGTH : end].encode() for end in ends]

    def is_in(self, content: bytes) -> bool:
        """Whether a canary, or as much of one as compression leaves, is in the bytes."""
        return any(part in content for part in self._parts)

    def found_in(self, content: bytes) -> set[Field]:
        """The fields whose canaries are in the bytes as they are."""
        numbers = re.findall(rb"%s(\d{%d})" % (self.mark.encode(), NUMBER_LENGTH), content)
        return {self.fields[int(number)] for number in numbers}

    def files_with(self, *folders: Path) -> list[Path]:
        """The files below the folders with a canary in them. What vanishes meanwhile has none."""
        return [file for folder in folders for file in sorted(folder.rglob("*")) if self.is_in(_content(file))]

    def columns_with(self, url: str) -> dict[tuple[str, str], set[Field]]:
        """The columns of all tables with a canary, and whose. Statistics are tables, too, with values of columns."""
        found: dict[tuple[str, str], set[Field]] = {}
        for name, column, text in _values(url):
            if self.is_in(text):
                found.setdefault((name, column), set()).update(self.found_in(text))
        return found


ALL_COLUMNS = """
SELECT CASE nspname WHEN 'palimpsest' THEN '' ELSE nspname || '.' END || relname,
    format('%I.%I', nspname, relname), attname FROM pg_attribute
JOIN pg_class AS c ON c.oid = attrelid JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE relkind = 'r' AND attnum > 0 AND NOT attisdropped
AND (nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') OR relname LIKE 'pg\\_statistic%')
"""


def _values(url: str) -> Iterator[tuple[str, str, bytes]]:
    """The table, the column and the text of each value; bytes as they are."""
    with psycopg.connect(url) as connection:
        for name, table, column in connection.execute(ALL_COLUMNS).fetchall():
            for (value,) in connection.execute(f'SELECT "{column}" FROM {table}'.encode()):
                yield name, column, value if isinstance(value, bytes) else str(value).encode()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes() if file.is_file() else b""
    except FileNotFoundError:
        return b""
