"""Seals the log page by page: leaves, tiles, and a signed checkpoint after each page, in one transaction.

A session begins from what the database has sealed, and only if its tiles lead to the root that was signed. Each
checkpoint must have a consistency proof from the one before it. So no session signs a second history, whatever it
finds.
"""

from collections.abc import Callable, Sequence

from psycopg.errors import UniqueViolation

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened, require_extends
from infra.audit.growing_tree import GrowingTree, WrongTiles
from infra.audit.notes import CheckpointSigner, LogCheckpoint
from infra.audit.rows import query
from infra.audit.tiles import reader_of, tiles_for
from infra.audit.tree import LeafRange, hashes_of, leaf_hash
from infra.postgres.connect import Connection
from infra.postgres.leader_lease import NoLongerLeading
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.feed import READ_AFTER
from infra.store.log_rows import EVENT_AT, HEAD, PAGE_BYTES, LogRow

PAGE_EVENTS = 4_000


class SealingSession:
    """Extends the tree on one connection. `signed`, `note`: the last checkpoint and its signed note, if any.

    `has_backlog`: the log holds more events than were read. After an error a new session must begin.

    Raises:
        HistoryRefused: the tree in the database is not the one that was signed.
        SettingsError: the log has another name.
    """

    def __init__(self, connection: Connection, signer: CheckpointSigner) -> None:
        self._connection = connection
        self._signer = signer
        self.has_backlog = False
        state = tables.state(connection)
        self.note = state.last.note if state.last else None
        self.signed = opened(signer.key, state.last) if state.last else None
        self._tree = self._restored(state.edges)
        self._last_hash = self._sealed_hash(self._tree.size - 1) if self._tree.size else b""

    def require_log(self) -> None:
        """Check that the log still has what was sealed: its length and last event; and that the next page can follow.

        Raises:
            HistoryRefused: it does not, or cannot.
        """
        self._require_length()
        self._require_last_event()
        _leaves(self._page(), self._tree.size)

    def step(self, held: Callable[[], bool]) -> int:
        """Seal a page. Returns the number of its events, 0 if there are no new ones. `held`: whether we lead, still.

        Raises:
            HistoryRefused: the log is not the one that was sealed, or the tree has a tile that it cannot have yet.
            NoLongerLeading: the page has not been sealed.
            UniqueViolation: another process has sealed the page.
            psycopg.Error: the database does not answer.
        """
        rows = self._page()
        if not rows:
            self._require_length()
            return 0
        self._require_last_event()
        entries = _leaves(rows, self._tree.size)
        self._tree.extend(entries)
        self._sign(held)
        self._last_hash = leaf_hash(entries[-1])
        return len(rows)

    def _page(self) -> list[LogRow]:
        rows = query(self._connection, READ_AFTER, self._tree.size, PAGE_EVENTS, PAGE_BYTES)
        self.has_backlog = len(rows) == PAGE_EVENTS or sum(len(row[4]) for row in rows) >= PAGE_BYTES
        return rows

    def _sign(self, held: Callable[[], bool]) -> None:
        found = LogCheckpoint(self._signer.key.name, self._tree.size, self._tree.root())
        if self.signed is not None:
            require_extends(self.signed, found, self._tree.tiles())
        note = self._signer.sign(found.size, found.root)
        self._store(held, note)
        self._tree.completed.clear()
        self.signed, self.note = found, note

    def _store(self, held: Callable[[], bool], note: str) -> None:
        try:
            with self._connection.transaction():
                tables.add(self._connection, self._tree, note, self.signed.size if self.signed else 0)
                if not held():
                    raise NoLongerLeading
        except UniqueViolation as error:
            if error.diag.table_name == "log_tiles":
                raise HistoryRefused(
                    f"a tile that the tree completes only by position {self._tree.size} is stored already "
                    f"({error.diag.message_detail})"
                ) from None
            raise

    def _restored(self, edges: dict[int, bytes]) -> GrowingTree:
        try:
            tree = GrowingTree(self.signed.size if self.signed else 0, edges)
        except (WrongTiles, ValueError) as error:
            raise HistoryRefused(f"the edge of the tree is damaged: {error}") from None
        if self.signed is not None and tree.root() != self.signed.root:
            raise HistoryRefused(f"the tiles do not lead to the root of the checkpoint of size {self.signed.size}")
        return tree

    def _require_length(self) -> None:
        [(head,)] = query(self._connection, HEAD)
        if head < self._tree.size:
            raise HistoryRefused(f"the log ends at position {head}, and {self._tree.size} events are sealed")

    def _require_last_event(self) -> None:
        """Check the last sealed event: new ones may follow another history, for instance that of a restored backup."""
        if not self._last_hash:
            return
        rows = query(self._connection, EVENT_AT, self._tree.size)
        if not rows or leaf_hash(_leaf(rows[0])) != self._last_hash:
            raise HistoryRefused(f"the event at position {self._tree.size} is not the one that was sealed")

    def _sealed_hash(self, index: int) -> bytes:
        """The hash of a leaf, which is at the edge of the tree or in its last full tile."""
        leaves = LeafRange(index, index + 1)
        try:
            return hashes_of([leaves], reader_of(tables.tiles(self._connection, tiles_for([leaves]))))[0]
        except (KeyError, ValueError):
            raise HistoryRefused(f"the hash of the event at position {index + 1} is missing in the tree") from None


def _leaves(rows: Sequence[LogRow], size: int) -> list[bytes]:
    """Return the leaves of the events that follow the first `size` ones."""
    for expected, row in enumerate(rows, start=size + 1):
        if row[0] != expected:
            raise HistoryRefused(f"position {expected} is missing in the log")
    return [_leaf(row) for row in rows]


def _leaf(row: LogRow) -> bytes:
    try:
        return leaf(*row)
    except NoLeaf as error:
        raise HistoryRefused(f"position {error.position}: {error}") from None
