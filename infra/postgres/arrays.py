"""Typed arrays for PostgreSQL in binary form. Lists of psycopg take twice the time, and empty lists have no type."""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_int = struct.Struct("!ii").pack
_bigint = struct.Struct("!iq").pack
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
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
    for kind in (Ints, BigInts, Bools, Uuids, UuidsByInt, UuidsByBytes, Blobs, Texts, Moments):
        adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid}))
