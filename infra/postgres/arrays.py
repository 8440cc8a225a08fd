"""Typed arrays for PostgreSQL in binary form. Lists of psycopg take twice the time, and empty lists have no type."""

import struct
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from json import JSONEncoder
from operator import index
from typing import Any, ClassVar

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_int = struct.Struct("!ii").pack
_bigint = struct.Struct("!iq").pack
_NUMERIC = struct.Struct("!hhHH").pack
_MAX_EXPONENT = 131_071
_json = JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_DAY = date(2000, 1, 1)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"
_TRUE, _FALSE = b"\0\0\0\1\1", b"\0\0\0\1\0"
_SIXTEEN = b"\0\0\0\x10"


class Array:
    """A one-dimensional array. None becomes NULL."""

    oid: ClassVar[int]
    element: ClassVar[int]
    __slots__ = ("values",)

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = values if type(values) is list else list(values)

    def pack(self) -> list[bytes]:
        """The values, each with its length in front."""
        raise NotImplementedError

    def dump(self) -> bytes:
        """The array in PostgreSQL's binary form: dimensions, null flag, element type, length, lower bound, values."""
        if not self.values:
            return _HEADER.pack(0, 0, self.element, 0, 0)[:12]
        return _HEADER.pack(1, 1, self.element, len(self.values), 1) + b"".join(self.pack())


class Ints(Array):
    """int4[]"""

    oid, element = 1007, 23

    def pack(self) -> list[bytes]:
        """Four bytes each."""
        return [_NULL if value is None else _int(4, value) for value in self.values]


class BigInts(Array):
    """int8[]"""

    oid, element = 1016, 20

    def pack(self) -> list[bytes]:
        """Eight bytes each."""
        return [_NULL if value is None else _bigint(8, value) for value in self.values]


class Bools(Array):
    """bool[]"""

    oid, element = 1000, 16

    def pack(self) -> list[bytes]:
        """A byte each."""
        return [_NULL if value is None else _TRUE if value else _FALSE for value in self.values]


class Uuids(Array):
    """uuid[]"""

    oid, element = 2951, 2950

    def pack(self) -> list[bytes]:
        """16 bytes each."""
        return [_NULL if value is None else _SIXTEEN + value.int.to_bytes(16, "big") for value in self.values]


class UuidsByInt(Uuids):
    """uuid[], from the integers of the UUIDs."""

    def pack(self) -> list[bytes]:
        """16 bytes each."""
        return [_SIXTEEN + value.to_bytes(16, "big") for value in self.values]


class UuidsByBytes(Uuids):
    """uuid[], from the bytes of the UUIDs."""

    def pack(self) -> list[bytes]:
        """16 bytes each."""
        return [_SIXTEEN + value for value in self.values]


class Blobs(Array):
    """bytea[]"""

    oid, element = 1001, 17

    def pack(self) -> list[bytes]:
        """The bytes unchanged."""
        return [_NULL if value is None else len(value).to_bytes(4, "big") + value for value in self.values]


class Texts(Array):
    """text[]"""

    oid, element = 1009, 25

    def pack(self) -> list[bytes]:
        """In UTF-8."""
        return [
            _NULL if value is None else len(encoded := value.encode()).to_bytes(4, "big") + encoded
            for value in self.values
        ]


class Moments(Array):
    """timestamptz[]: microseconds since 2000."""

    oid, element = 1185, 1184

    def pack(self) -> list[bytes]:
        """Eight bytes each."""
        return [_NULL if value is None else _bigint(8, (value - _EPOCH) // _MICROSECOND) for value in self.values]


class Dates(Array):
    """date[]: days since 2000."""

    oid, element = 1182, 1082

    def pack(self) -> list[bytes]:
        """Four bytes each."""
        return [_NULL if value is None else _int(4, (value - _DAY).days) for value in self.values]


class Numerics(Array):
    """numeric[], of int and `Decimal`, exact with their scale."""

    oid, element = 1231, 1700

    def pack(self) -> list[bytes]:
        """Digits to the base 10,000 after a header of eight bytes. Raises for float, NaN and infinity."""
        return [_NULL if value is None else _sized(_numeric(value)) for value in self.values]


class Jsons(Array):
    """jsonb[], of what `json.loads` returns. None is NULL, not JSON's null."""

    oid, element = 3807, 3802

    def pack(self) -> list[bytes]:
        """The format's version, then JSON as text. Raises for NaN and infinity."""
        return [_NULL if value is None else _sized(b"\1" + _json(value).encode()) for value in self.values]


class Lists(Array):
    """Arrays, one a row. unnest would flatten an array of arrays, so they are sent as text[] and the statement casts.

    `pack` gives them in binary, for COPY.
    """

    oid, element = 1009, 25
    kind: ClassVar[type[Array]]

    def pack(self) -> list[bytes]:
        """Each array as `Array.dump` makes it."""
        return [_NULL if value is None else _sized(self.kind(value).dump()) for value in self.values]

    def dump(self) -> bytes:
        """The arrays' text forms, as text[]."""
        return Texts(None if value is None else self._text(value) for value in self.values).dump()

    def _text(self, values: Iterable[Any]) -> str:
        return "{" + ",".join("NULL" if value is None else self._element(value) for value in values) + "}"

    @staticmethod
    def _element(value: Any) -> str:
        raise NotImplementedError


class TextLists(Lists):
    """text[] in each row."""

    kind = Texts

    @staticmethod
    def _element(value: Any) -> str:
        escaped: str = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'


class UuidLists(Lists):
    """uuid[] in each row."""

    kind = Uuids

    @staticmethod
    def _element(value: Any) -> str:
        return str(value.hex)


class BigIntLists(Lists):
    """int8[] in each row."""

    kind = BigInts

    @staticmethod
    def _element(value: Any) -> str:
        return str(index(value))


def _sized(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _numeric(value: int | Decimal) -> bytes:
    number = Decimal(value) if isinstance(value, int) else value
    if not number.is_finite() or number.adjusted() > _MAX_EXPONENT:
        raise ValueError("not within PostgreSQL's numeric")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    scale = max(0, -exponent)
    # Whole groups of four digits on both sides of the point.
    text = "".join(map(str, digits)) + "0" * (max(0, exponent) + -scale % 4)
    text = "0" * (-len(text) % 4) + text
    groups = [int(text[n : n + 4]) for n in range(0, len(text), 4)]
    first = next((n for n, group in enumerate(groups) if group), len(groups))
    weight = len(groups) - 1 - -(-scale // 4) - first
    groups = groups[first:]
    header = _NUMERIC(len(groups), weight if groups else 0, 0x4000 if sign and groups else 0, scale)
    return header + struct.pack(f"!{len(groups)}h", *groups)


def texts_in(array: bytes) -> list[str]:
    """The values of a text[] without NULLs, from PostgreSQL's binary form."""
    values, at = [], _HEADER.size
    while at < len(array):
        start = at + 4
        at = start + int.from_bytes(array[at:start], "big")
        values.append(array[start:at].decode())
    return values


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.dump()


def register(adapters: AdaptersMap) -> None:
    """Register the arrays with a connection."""
    typed = (Ints, BigInts, Bools, Uuids, UuidsByInt, UuidsByBytes, Blobs, Texts, Moments)
    for kind in (*typed, Dates, Numerics, Jsons, TextLists, UuidLists, BigIntLists):
        adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid}))
