"""Exports a range of the log as JSON Lines, which `check_proof.py` checks without network.

The first line has the range, the signed checkpoint, and the hashes beside the range (`outside_ranges`). Each further
line has the leaf of the next event, in base64, and on request the stored bytes of the event, whose SHA-256 it has.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import NamedTuple

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened
from infra.audit.notes import LogCheckpoint, VerifierKey
from infra.audit.published import ANY, WitnessPolicy, published
from infra.audit.rows import query
from infra.audit.tiles import ENTRIES, HEIGHT, WIDTH, TileId, entries_in, reader_of, tiles_for
from infra.audit.tree import LeafRange, ProofRefused, hashes_of, outside_ranges, root_around
from infra.postgres.connect import Connection
from infra.progress import Progress
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.feed import READ_AFTER
from infra.store.log_rows import PAGE_BYTES

FORMAT = "palimpsest-log-export/1"
PAGE_TILES = 16
PAGE_EVENTS = 4_096
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"

Write = Callable[[str], object]
"""Takes a line, with its end."""


class OutsideOfLog(Exception):
    """The log has no such range of sealed positions. The message says how many are sealed."""


class ExportRange(NamedTuple):
    """What to export. `last`: None: as far as the checkpoint goes, which enough `witnesses` must have cosigned."""

    first: int
    last: int | None
    witnesses: WitnessPolicy = ANY


def export(
    connection: Connection, key: VerifierKey, wanted: ExportRange, write: Write, progress: Progress, *, events: bool
) -> int:
    """Write an export, and return the number of its events. The connection must begin a transaction.

    `events`: also write the stored bytes of each event.

    Raises:
        OutsideOfLog: nothing is written.
        NotEnoughWitnesses: nor is it.
        HistoryRefused: the store is not what was signed; what was written is worth nothing.
    """
    connection.execute(SNAPSHOT)
    note, signed = _checkpoint(connection, key, wanted)
    first, last = wanted.first, wanted.last or signed.size
    if not 1 <= first <= last <= signed.size:
        raise OutsideOfLog(f"{signed.size} events are sealed")
    leaves = LeafRange(first - 1, last)
    entries = _Entries(connection, leaves, events=events)
    try:
        outside = _outside(connection, leaves, signed.size)
        hashes = [b64encode(each).decode() for each in outside]
        write(_line(format=FORMAT, first=first, last=last, hashes=hashes, checkpoint=note))
        root = root_around(leaves, signed.size, entries.written(write, progress), outside)
    except (KeyError, ValueError, NoLeaf, ProofRefused) as error:
        raise HistoryRefused(f"a tile or an event is missing or damaged ({error})") from None
    if root != signed.root:
        raise HistoryRefused("the leaves do not lead to the root that was signed")
    return last - first + 1


class _Entries:
    """The sealed entries of a range, and the events that they are of."""

    def __init__(self, connection: Connection, leaves: LeafRange, *, events: bool) -> None:
        self._connection = connection
        self._leaves = leaves
        self._events = events

    def written(self, write: Write, progress: Progress) -> Iterator[bytes]:
        """Write a line for each entry, and return the entry."""
        states, goal = self._states(), self._leaves.end - self._leaves.start
        for number, entry in enumerate(self._sealed(), start=1):
            encoded = b64encode(entry).decode()
            if self._events:
                sealed, state = next(states, (b"", b""))
                if sealed != entry:
                    position = self._leaves.start + number
                    raise HistoryRefused(f"the event at position {position} is not the one that was sealed")
                write(_line(leaf=encoded, event=b64encode(state).decode()))
            else:
                write(_line(leaf=encoded))
            progress(number, goal)
            yield entry

    def _sealed(self) -> Iterator[bytes]:
        start, end = self._leaves
        numbers = range(start >> HEIGHT, (end - 1 >> HEIGHT) + 1)
        for at in range(0, len(numbers), PAGE_TILES):
            wanted = [TileId(ENTRIES, number) for number in numbers[at : at + PAGE_TILES]]
            found = tables.tiles(self._connection, wanted)
            for tile in wanted:
                for index, entry in enumerate(entries_in(found[tile]), start=tile.number * WIDTH):
                    if start <= index < end:
                        yield entry

    def _states(self) -> Iterator[tuple[bytes, bytes]]:
        """The leaf and the stored bytes of each event."""
        last = self._leaves.start
        while rows := query(self._connection, READ_AFTER, last, PAGE_EVENTS, PAGE_BYTES):
            for row in rows:
                yield leaf(*row), row[4]
            last = rows[-1][0]


def _checkpoint(connection: Connection, key: VerifierKey, wanted: ExportRange) -> tuple[str, LogCheckpoint]:
    found = published(connection, wanted.witnesses, wanted.last or wanted.first)
    if found is None:
        raise OutsideOfLog("no event is sealed")
    return found.note, opened(key, found)


def _outside(connection: Connection, leaves: LeafRange, size: int) -> list[bytes]:
    ranges = outside_ranges(leaves.start, leaves.end, size)
    return hashes_of(ranges, reader_of(tables.tiles(connection, tiles_for(ranges))))


def _line(**fields: object) -> str:
    return f"{json.dumps(fields)}\n"
