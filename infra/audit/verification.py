"""Verifies a whole store: every event against its leaf, every tile, and every checkpoint that was signed.

It computes the tree again from the events, and compares it with all that is stored. The signed roots decide: tiles can
be changed with the events, signatures cannot. The first difference is named by its position.

Each check is a function `require_...` of this file, `surplus.py` or `unsealing.py`; of each the tamper drills show what
only it finds, or what finds the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import Any, NamedTuple

from infra.audit import tables
from infra.audit.continuity import require_name
from infra.audit.cosigned_history import verify_cosignatures
from infra.audit.differences import WrongPosition, difference, explain_tile, named
from infra.audit.growing_tree import GrowingTree
from infra.audit.notes import LogCheckpoint, NoteRefused, VerifierKey
from infra.audit.rows import query
from infra.audit.surplus import verify_nothing_more
from infra.audit.tables import SignedCheckpoint
from infra.audit.tiles import ENTRIES, HEIGHT, WIDTH, TileId, entry_at
from infra.audit.tree import HASH_BYTES, leaf_hash
from infra.postgres.connect import Connection
from infra.progress import Progress
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.feed import READ_AFTER
from infra.store.log_rows import EVENT_AT, PAGE_BYTES, LogRow

PAGE_EVENTS = 4_096
SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
CHECKPOINTS = "SELECT size, note FROM log_checkpoints ORDER BY size"


class VerificationResult(NamedTuple):
    """What was verified: events up to a position, checkpoints, and cosignatures of witnesses.

    `unsealed`: events that no checkpoint covers yet.
    """

    events: int
    checkpoints: int
    unsealed: int
    cosignatures: int = 0


def verify(
    connection: Connection, key: VerifierKey, progress: Progress, given: Iterable[SignedCheckpoint] = ()
) -> VerificationResult:
    """Verify the whole store as it is now. The connection must begin a transaction.

    `given`: checkpoints that somebody has kept outside; the tree must continue them.

    Raises:
        SettingsError: the log has another name.
        WrongPosition: the store is not what was signed.
    """
    connection.execute(SNAPSHOT)
    return _Verification(connection, key, progress).run(given)


class _Verification:
    def __init__(self, connection: Connection, key: VerifierKey, progress: Progress) -> None:
        self._connection = connection
        self._key = key
        self._progress = progress
        self._tree = GrowingTree()
        self._pages = self._read_pages()
        self._page: list[LogRow] = []
        self._fitting = [0]
        """The sizes of the last checkpoints that fit: two different ones, as soon as there are."""

    def run(self, given: Iterable[SignedCheckpoint]) -> VerificationResult:
        last = tables.last_checkpoint(self._connection)
        if last is not None:
            require_name(self._key, last.note)
        size = last.size if last else 0
        checked = 0
        for checkpoint in merge(self._stored_checkpoints(), sorted(given)):
            self._extend(min(checkpoint.size, size), size)
            self._verify_signed(checkpoint)
            checked += 1
        self._require_tiles(self._tree.tiles(), exact=True)
        verify_nothing_more(self._connection, size)
        return VerificationResult(size, checked, self._unsealed(), verify_cosignatures(self._connection))

    def _stored_checkpoints(self) -> Iterator[SignedCheckpoint]:
        with self._connection.cursor("checkpoints") as cursor:
            for size, note in cursor.execute(CHECKPOINTS.encode()):
                yield SignedCheckpoint(size, note)

    def _extend(self, until: int, goal: int) -> None:
        """Add the events up to a position to the tree, and compare the tiles that they complete."""
        while self._tree.size < until and (rows := self._take(until - self._tree.size)):
            self._add(rows)
            self._progress(self._tree.size, goal)
        self._require_end(until)

    def _add(self, rows: Sequence[LogRow]) -> None:
        entries = list[bytes]()
        try:
            for position, row in enumerate(rows, self._tree.size + 1):
                self._require_position(position, row)
                entries.append(require_leaf(position, row))
        except WrongPosition:
            # An earlier event may be wrong, too.
            self._tree.extend(entries)
            self._require_tiles(self._tree.tiles())
            raise
        self._tree.extend(entries)
        self._require_tiles(self._tree.completed, exact=True)
        self._tree.completed.clear()

    def _unsealed(self) -> int:
        """The number of events after the tree. They must be such that a sealer can go on."""
        size = self._tree.size
        while rows := self._take(PAGE_EVENTS):
            for position, row in enumerate(rows, size + 1):
                self._require_position(position, row)
                require_leaf(position, row)
            size += len(rows)
        return size - self._tree.size

    def _take(self, number: int) -> list[LogRow]:
        """The next events of the log, at most so many; none at its end."""
        page = self._page or next(self._pages, [])
        self._page = page[number:]
        return page[:number]

    def _read_pages(self) -> Iterator[list[LogRow]]:
        last = 0
        while rows := self._query(READ_AFTER, last, PAGE_EVENTS, PAGE_BYTES):
            yield rows
            last = rows[-1][0]

    def _require_position(self, position: int, row: LogRow) -> None:
        """Check that a row of the log has the position that comes next."""
        if row[0] < position:
            raise WrongPosition(row[0], "two events have this position")
        if row[0] > position:
            raise WrongPosition(position, f"the event is missing{self._was(position)}")

    def _require_end(self, until: int) -> None:
        """Check that the log has not ended before the position up to which it is read."""
        if self._tree.size < until:
            self._require_tiles(self._tree.tiles())
            position = self._tree.size + 1
            raise WrongPosition(position, f"the log ends before it{self._was(position)}")

    def _was(self, position: int) -> str:
        sealed = self._sealed(position)
        return "" if sealed is None else f"; it was {named(sealed)}"

    def _verify_signed(self, checkpoint: SignedCheckpoint) -> None:
        """Check that the tree, which has been extended as far as the log allows, is the one that was signed."""
        self._require_length(checkpoint.size)
        self._require_root(checkpoint.size, self._require_signature(checkpoint))
        if checkpoint.size > self._fitting[-1]:
            self._fitting = [self._fitting[-1], checkpoint.size]

    def _require_length(self, size: int) -> None:
        if self._tree.size < size:
            raise WrongPosition(self._tree.size + 1, f"a tree of {size} events was signed, and this one ends before")

    def _require_signature(self, checkpoint: SignedCheckpoint) -> LogCheckpoint:
        try:
            return self._key.open(checkpoint.note)
        except NoteRefused as error:
            self._require_tiles(self._tree.tiles())
            reason = f"the checkpoint of {checkpoint.size} events is not signed: {error}"
            raise WrongPosition(checkpoint.size, reason) from None

    def _require_root(self, size: int, signed: LogCheckpoint) -> None:
        if (signed.size, signed.root) != (size, self._tree.root()):
            self._require_tiles(self._tree.tiles())
            reason = f"the events from here to position {size} are not those that the checkpoint of {size} events signs"
            # Another one of this size may fit: only one of the two is true, and it is not known which.
            certain = max(each for each in self._fitting if each < size)
            raise WrongPosition(certain + 1, reason)

    def _require_tiles(self, tiles: Mapping[TileId, bytes], *, exact: bool = False) -> None:
        """Compare tiles with the stored ones, lowest positions first. Without `exact` a stored one may have more."""
        wanted = {tile: content for tile, content in tiles.items() if content}
        if not wanted:
            return
        stored = tables.tiles(self._connection, wanted)
        for tile in sorted(wanted, key=lambda each: (each.number << HEIGHT * max(each.level, 0), each.level)):
            found = stored.get(tile, b"")
            if found != wanted[tile] and (exact or not found.startswith(wanted[tile])):
                if tile.level <= 0:
                    self._explain_events(tile)
                raise explain_tile(tile, wanted[tile], found)

    def _explain_events(self, tile: TileId) -> None:
        """Raise `WrongPosition` for the first event of a tile that is not as it was sealed."""
        first = tile.number * WIDTH + 1
        for position in range(first, min(first + WIDTH, self._tree.size + 1)):
            rows = self._query(EVENT_AT, position)
            if len(rows) != 1:
                said = "two events have this position" if rows else f"the event is missing{self._was(position)}"
                raise WrongPosition(position, said)
            sealed, entry = self._sealed(position), require_leaf(position, rows[0])
            if sealed is None:
                raise WrongPosition(position, "its leaf is missing in the tree")
            if entry != sealed:
                raise WrongPosition(position, difference(entry, sealed))
            if leaf_hash(sealed) != self._sealed_hash(position):
                raise WrongPosition(position, "its hash in the tree is not that of its leaf")

    def _sealed(self, position: int) -> bytes | None:
        """The leaf that was sealed at a position; None if it is not there."""
        tile = TileId(ENTRIES, position - 1 >> HEIGHT)
        try:
            return entry_at(tables.tiles(self._connection, [tile])[tile], position - 1)
        except (KeyError, IndexError, ValueError):
            return None

    def _sealed_hash(self, position: int) -> bytes:
        tile = TileId(0, position - 1 >> HEIGHT)
        at = (position - 1) % WIDTH * HASH_BYTES
        return tables.tiles(self._connection, [tile]).get(tile, b"")[at : at + HASH_BYTES]

    def _query(self, statement: str, *parameters: Any) -> list[Any]:
        return query(self._connection, statement, *parameters)


def require_leaf(position: int, row: LogRow) -> bytes:
    """Return the leaf of a row of the log; it must have one.

    Raises:
        WrongPosition: the row has a value that no program of ours stores.
    """
    try:
        return leaf(*row)
    except NoLeaf as error:
        raise WrongPosition(position, str(error)) from None
