"""The security log without a database. A contract suite in `tests/contract` runs on it and on the real one."""

from uuid import UUID

from uuid_utils.compat import uuid7

from application.ports import Clock, EntryFilter, LoggedEntry, SecurityEntry


class MemorySecurityLog:
    """Implements `application.ports.SecurityLog` in a list."""

    def __init__(self, clock: Clock) -> None:
        self.logged: list[LoggedEntry] = []
        self._clock = clock

    async def record(self, entry: SecurityEntry) -> None:
        self.note(entry)

    def note(self, entry: SecurityEntry) -> None:
        self.logged.append(LoggedEntry(uuid7(), self._clock(), entry))

    async def entries(self, user_id: UUID, wanted: EntryFilter) -> list[LoggedEntry]:
        found = [logged for logged in self.logged if logged.entry.user_id == user_id and _is_wanted(logged, wanted)]
        return sorted(found, key=_place, reverse=True)[: wanted.limit]

    def what_happened(self) -> list[tuple[str, str, str | None]]:
        """Return action, outcome and reason of each entry, in order."""
        return [(each.entry.action, each.entry.outcome, each.entry.reason) for each in self.logged]


def _place(logged: LoggedEntry) -> tuple[object, UUID]:
    return logged.at, logged.id


def _is_wanted(logged: LoggedEntry, wanted: EntryFilter) -> bool:
    return (
        (wanted.actions is None or logged.entry.action in wanted.actions)
        and (wanted.since is None or logged.at >= wanted.since)
        and (wanted.until is None or logged.at < wanted.until)
        and (wanted.before is None or (logged.at, logged.id) < wanted.before)
    )
