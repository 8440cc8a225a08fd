"""The root of the tree over the events that are in the log now, and whether it is the one that was signed."""

from application.ports import NotSealedYet
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
        NotSealedYet: fewer are sealed.
        HistoryRefused: they are others.
    """
    last = tables.last_checkpoint(connection)
    signed = opened(key, last) if last else None
    if signed is None or signed.size < size:
        raise NotSealedYet(f"{signed.size if signed else 0} events are sealed")
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
