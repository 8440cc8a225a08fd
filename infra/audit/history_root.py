"""The root of the tree over the events that are in the log now, and whether it is the one that was signed."""

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened, require_continues
from infra.audit.growing_tree import GrowingTree
from infra.audit.notes import LogCheckpoint, VerifierKey
from infra.audit.rows import query
from infra.postgres.connect import Connection
from infra.progress import Progress
from infra.store.audit_leaf import NoLeaf, leaf
from infra.store.feed import READ_AFTER
from infra.store.log_rows import PAGE_BYTES

PAGE_EVENTS = 4_096


class NotSealed(Exception):
    """Fewer events are sealed than were asked for. `size`: the number of those that are."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} events are sealed")
        self.size = size


def signed_size(connection: Connection, key: VerifierKey) -> int:
    """Return the number of events that the last checkpoint signs; 0 if there is none.

    Raises:
        HistoryRefused: the checkpoint is not one of this log and its key.
    """
    last = tables.last_checkpoint(connection)
    return opened(key, last).size if last else 0


def signed_root(connection: Connection, key: VerifierKey, size: int, progress: Progress) -> bytes:
    """Return the root over the first `size` events, which must be those that were signed. The session is in autocommit.

    Raises:
        NotSealed: fewer are sealed.
        HistoryRefused: they are others.
    """
    last = tables.last_checkpoint(connection)
    signed = opened(key, last) if last else None
    if signed is None or signed.size < size:
        raise NotSealed(signed.size if signed else 0)
    root = _root(connection, size, progress)
    require_continues(connection, LogCheckpoint(key.name, size, root), signed)
    return root


def _root(connection: Connection, size: int, progress: Progress) -> bytes:
    tree = GrowingTree()
    while tree.size < size:
        rows = query(connection, READ_AFTER, tree.size, min(PAGE_EVENTS, size - tree.size), PAGE_BYTES)
        if not rows or [row[0] for row in rows] != list(range(tree.size + 1, tree.size + 1 + len(rows))):
            raise HistoryRefused(f"an event is missing, or is there twice, after position {tree.size}")
        try:
            tree.extend([leaf(*row) for row in rows])
        except NoLeaf as error:
            raise HistoryRefused(f"position {error.position}: {error}") from None
        tree.completed.clear()
        progress(tree.size, size)
    return tree.root()
