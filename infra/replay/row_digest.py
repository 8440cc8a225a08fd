"""Digests of tables of read models: they say what the rows are, and nothing of how a database keeps them.

A row is hashed with SHA-256 over its values, in the order of the names of their columns (by code points); `position` is
a column, generated columns are none. Before each value stands its length in bytes, 4 bytes; NULL is ff ff ff ff alone.
Numbers are big-endian.

    uuid         its 16 bytes
    text         UTF-8
    bigint       8 bytes, two's complement
    boolean      1 byte, 0 or 1
    timestamptz  microseconds since 2000-01-01 00:00 UTC, 8 bytes, two's complement
    date         days since 2000-01-01, 4 bytes, two's complement
    bytea        as it is
    numeric      its decimal digits as text, without an exponent and without zeros at either end: -12.5, 0.5, 100, 0
    jsonb        JSON without spaces, in UTF-8; names in the order of their code points; numbers as numeric; in strings
                 only ", \\ and the characters below U+0020 are escaped: \\b \\t \\n \\f \\r, the others as \\u001f
    T[]          each element as a value of T with its length before it

The digest of a table is SHA-256 over a header and the hashes of its rows, in the order of their bytes. The header is
text in UTF-8: a line `palimpsest read model 1`, a line with the name of the table, a line for each column in the order
above (name, space, type), and an empty line.

Row order, locale, version and platform of the database have no part in it. A value that PostgreSQL would refuse has no
encoding: a digest that is given is one that a table can have.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import chain
from json import JSONEncoder
from operator import itemgetter
from typing import Any

from infra.postgres.arrays import Numerics, Texts
from infra.projector.statements import KINDS
from projections.kernel import EXACT, Key, Row, StoredTable

HEADER = "palimpsest read model 1"

_NULL = b"\xff\xff\xff\xff"
_string = JSONEncoder(ensure_ascii=False).encode

EncodeValues = Callable[[list[Any]], list[bytes]]
"""Encodes values of one type, each with its length in front."""


class Unstorable(Exception):
    """A row has a value that its table cannot hold."""


class TableDigest:
    """The digest of a table whose rows are added in any order. It keeps 32 bytes of each row."""

    def __init__(self, table: StoredTable) -> None:
        self._name = table.name
        types = {**{name: f"{kind} NOT NULL" for name, kind in table.key.items()}, **table.columns}
        self._columns = sorted(types)
        self._types = {name: types[name].split()[0] for name in self._columns}
        self._required = {name for name, words in types.items() if words.upper().endswith("NOT NULL")}
        self._keys = {name: number for number, name in enumerate(table.key)}
        self._hashes: list[bytes] = []

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self._hashes)

    def add(self, rows: Sequence[tuple[Key, Row]]) -> None:
        """Add rows.

        Raises:
            Unstorable: PostgreSQL would refuse one of them.
        """
        if rows:
            encoded = zip(*[self._encoded(name, rows) for name in self._columns], strict=True)
            self._hashes += [hashlib.sha256(b"".join(row)).digest() for row in encoded]

    def digest(self) -> bytes:
        """Return the digest of the rows that were added."""
        lines = [HEADER, self._name, *(f"{name} {self._types[name]}" for name in self._columns), "", ""]
        whole = hashlib.sha256("\n".join(lines).encode())
        for each in sorted(self._hashes):
            whole.update(each)
        return whole.digest()

    def _encoded(self, name: str, rows: Sequence[tuple[Key, Row]]) -> list[bytes]:
        number = self._keys.get(name)
        values = [row[name] for _, row in rows] if number is None else [key[number] for key, _ in rows]
        try:
            encoded = encoder_of(self._types[name])(values)
        except Exception as error:
            raise Unstorable(f"{self._name}.{name} cannot hold a value ({type(error).__name__})") from error
        if name in self._required and _NULL in encoded:
            raise Unstorable(f"{self._name}.{name} cannot be NULL")
        return encoded


def encoder_of(kind: str) -> EncodeValues:
    """Return the encoder of an SQL type. It raises for a value that PostgreSQL would refuse."""
    if kind.endswith("[]"):
        inner = encoder_of(kind.removesuffix("[]"))
        return lambda values: [_NULL if each is None else _sized(b"".join(inner(each))) for each in values]
    if kind in _ENCODERS:
        return _ENCODERS[kind]
    packed = KINDS[kind]
    return lambda values: packed(values).pack()


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _texts(values: list[Any]) -> list[bytes]:
    if any(map(_has_nul, values)):
        raise ValueError("PostgreSQL stores no NUL")
    return Texts(values).pack()


def _has_nul(value: str | None) -> bool:
    return value is not None and "\0" in value


def _numerics(values: list[Any]) -> list[bytes]:
    Numerics(values).pack()  # refuses what is not within numeric
    return Texts(None if value is None else _number(value) for value in values).pack()


def _jsons(values: list[Any]) -> list[bytes]:
    return _texts([None if value is None else "".join(_json(value)) for value in values])


def _number(value: int | float | Decimal) -> str:
    """A number as decimal digits. A float stands for the shortest number that reads as it, as JSON writes it."""
    exact = EXACT.normalize(Decimal(repr(value)) if isinstance(value, float) else Decimal(value))
    if not exact.is_finite():
        raise ValueError("not a finite number")
    return f"{exact:f}" if exact else "0"


def _json(value: Any) -> Iterable[str]:
    """JSON in pieces. Raises for what is no JSON, as for infinity, and for NUL."""
    if value is None or isinstance(value, bool):
        return [{None: "null", True: "true", False: "false"}[value]]
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("PostgreSQL stores no NUL")
        return [_string(value)]
    if isinstance(value, int | float):
        return [_number(value)]
    if isinstance(value, list):
        return chain("[", _joined([_json(each) for each in value]), "]")
    pairs = sorted(value.items(), key=itemgetter(0))
    if not all(isinstance(name, str) for name, _ in pairs):
        raise TypeError("the names of JSON are strings")
    return chain("{", _joined([chain(_json(name), ":", _json(inner)) for name, inner in pairs]), "}")


def _joined(parts: Sequence[Iterable[str]]) -> Iterable[str]:
    return chain.from_iterable([*part, ","] if number < len(parts) else part for number, part in enumerate(parts, 1))


_ENCODERS: dict[str, EncodeValues] = {"text": _texts, "numeric": _numerics, "jsonb": _jsons}
