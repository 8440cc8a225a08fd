"""Aggregates that the sender of a command has loaded already.

A command begins with them in place of loads of its own, and its append checks that they are current. If they are not,
or if nothing is appended, the bus tries again with what the log has.
"""

from typing import TypeVar
from uuid import UUID

from domain.kernel import Root

A = TypeVar("A", bound=Root)


class KnownRoots:
    """Aggregates as the log had them when their holder saw them last. Each is given out once: a command changes it."""

    def __init__(self, *roots: Root) -> None:
        self._ids = {root.id for root in roots}
        self._roots = {root.id: root for root in roots}

    def take(self, kind: type[A], id: UUID) -> A | None:
        """Return an aggregate, and forget it; None: it is not known."""
        root = self._roots.get(id)
        if not isinstance(root, kind):
            return None
        del self._roots[id]
        return root

    def keep(self, *roots: Root) -> None:
        """Take aggregates back, as the log has them now: of those that were known at first, and are not erased."""
        self._roots |= {root.id: root for root in roots if root.id in self._ids and not root.erased}
