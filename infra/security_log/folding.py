"""Folding: of many entries alike within a minute the first ones are kept, and the others become one with their number.

So a flood of refusals takes a few rows a minute for each network, or for each account that it is about. An account has
rows of its own: attempts on it cannot be hidden behind attempts on others.
"""

from dataclasses import dataclass, replace
from uuid import UUID

from application.ports import SecurityEntry
from application.security_actions import SecurityAction

SINGLE = 5
"""Entries alike that are kept within a minute; further ones are counted."""

COUNTED: frozenset[SecurityAction] = frozenset({"exceed_limit"})
"""Actions of which no entry is kept singly: who exceeds a limit does so many times a second."""

MAX_KINDS = 10_000
"""Kinds of entries that are distinguished within a minute. Further ones are taken together, whatever their network."""

Kind = tuple[UUID | str, str, str | None]
"""The account or else the network, the action, the reason."""


@dataclass(slots=True)
class _Seen:
    number: int
    folded: SecurityEntry | None = None
    """The first entry that was not kept itself; its `count` is that of all of these."""


class Folding:
    """The entries of the current minute."""

    def __init__(self) -> None:
        self._seen: dict[Kind, _Seen] = {}

    def admits(self, entry: SecurityEntry, network: str) -> bool:
        """Return whether to keep the entry itself; if not, it is counted."""
        kind: Kind = (entry.user_id or network, entry.action, entry.reason)
        if kind not in self._seen and len(self._seen) >= MAX_KINDS:
            entry = replace(entry, user_id=None, session_id=None, client=None)
            kind = ("", entry.action, entry.reason)
        seen = self._seen.setdefault(kind, _Seen(0))
        seen.number += 1
        if seen.number <= SINGLE and entry.action not in COUNTED:
            return True
        earlier = seen.folded
        seen.folded = entry if earlier is None else replace(earlier, count=earlier.count + entry.count)
        return False

    def end_minute(self) -> list[SecurityEntry]:
        """Return an entry for each kind of which some were counted, and begin again."""
        seen, self._seen = self._seen, {}
        return [each.folded for each in seen.values() if each.folded is not None]
