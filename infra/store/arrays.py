"""Typed arrays for PostgreSQL, in binary: psycopg's own lists cost twice as much, and empty ones have no type."""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from psycopg.adapt import AdaptersMap, Buffer, Dumper
from psycopg.pq import Format

_HEADER = struct.Struct("!iiIii")
_INT = struct.Struct("!ii")
_BIGINT = struct.Struct("!iq")
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_NULL = b"\xff\xff\xff\xff"


class Array:
    """A one-dimensional array; NULL where a value is None."""

    oid: ClassVar[int]
    element: ClassVar[int]
    __slots__ = ("values",)

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = list(values)

    @staticmethod
    def pack(value: Any) -> bytes:
        """One value with its length in front."""
        raise NotImplementedError

    def dump(self) -> bytes:
        """The array in PostgreSQL's binary form: dimensions, null flag, element type, length, lower bound, values."""
        if not self.values:
            return _HEADER.pack(0, 0, self.element, 0, 0)[:12]
        pack = self.pack
        body = [_NULL if value is None else pack(value) for value in self.values]
        return _HEADER.pack(1, 1, self.element, len(body), 1) + b"".join(body)


class Ints(Array):
    """int4[]"""

    oid, element = 1007, 23
    pack = staticmethod(lambda value: _INT.pack(4, value))


class BigInts(Array):
    """int8[]"""

    oid, element = 1016, 20
    pack = staticmethod(lambda value: _BIGINT.pack(8, value))


class Bools(Array):
    """bool[]"""

    oid, element = 1000, 16
    pack = staticmethod(lambda value: b"\0\0\0\1\1" if value else b"\0\0\0\1\0")


class Uuids(Array):
    """uuid[]"""

    oid, element = 2951, 2950
    pack = staticmethod(lambda value: b"\0\0\0\x10" + value.bytes)


class Blobs(Array):
    """bytea[]"""

    oid, element = 1001, 17
    pack = staticmethod(lambda value: len(value).to_bytes(4, "big") + value)


class Texts(Array):
    """text[]"""

    oid, element = 1009, 25
    pack = staticmethod(lambda value: Blobs.pack(value.encode()))


class Moments(Array):
    """timestamptz[]: microseconds since 2000."""

    oid, element = 1185, 1184
    pack = staticmethod(lambda value: _BIGINT.pack(8, (value - _EPOCH) // _MICROSECOND))


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Array) -> Buffer:
        return obj.dump()


def register(adapters: AdaptersMap) -> None:
    """Teach a connection these arrays."""
    for kind in (Ints, BigInts, Bools, Uuids, Blobs, Texts, Moments):
        adapters.register_dumper(kind, type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid}))
