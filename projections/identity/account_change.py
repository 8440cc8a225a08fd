"""Changes of accounts: every event of a user, without what it says. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from eventsourcing.utils import get_topic

from application.ports import EntryFilter, ReadStore, RecordedEvent
from domain.identity.user import User
from domain.kernel import events_of
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads

_EVENTS = [event for event in events_of(User) if hasattr(event, "TOPIC") and not event.erases]
CHANGES = {topic: topic.partition(".")[2] for topic in map(get_topic, _EVENTS)}
"""The names of changes by the topic of their event. A new event of users is a change, too."""


@dataclass(frozen=True, slots=True)
class AccountChange:
    """One change. `name`: what happened, in the past tense."""

    id: UUID
    at: datetime
    name: str


PAGE = f"""
SELECT {columns_of(AccountChange)} FROM read.account_change
WHERE user_id = %(user_id)s AND name = ANY(coalesce(%(names)s::text[], ARRAY[name]))
    AND at >= coalesce(%(since)s, '-infinity'::timestamptz) AND at < coalesce(%(until)s, 'infinity'::timestamptz)
    AND (at, id) < (coalesce(%(before)s, 'infinity'::timestamptz), coalesce(%(before_id)s, id))
ORDER BY at DESC, id DESC LIMIT %(limit)s
"""  # noqa: S608 - columns of our own view


class AccountChanges(ReadModel):
    """All changes of all accounts that have not been erased."""

    version = 1
    roots = (User,)
    personal = PersonalData("when an account changed, and how", "the event user.erased drops the rows")
    table = Table(
        "account_change",
        key={"user_id": "uuid", "version": "bigint"},
        columns={"id": "uuid NOT NULL", "at": "timestamptz NOT NULL", "name": "text NOT NULL"},
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        if isinstance(event.data, User.Erased):
            for version in range(User.INITIAL_VERSION, event.version):
                yield self.table.drop(event.stream_id, version)
            return
        id = uuid5(event.stream_id, str(event.version))
        yield self.table.put(event.stream_id, event.version, id=id, at=moment_of(event), name=CHANGES[event.topic])


@reads(AccountChanges)
async def changes(rows: ReadStore, user_id: UUID, wanted: EntryFilter) -> list[AccountChange]:
    """Return changes of a user's account, the latest first."""
    before, before_id = wanted.before or (None, None)
    params: dict[str, Any] = {
        "user_id": user_id,
        "names": None if wanted.actions is None else sorted(wanted.actions),
        "since": wanted.since,
        "until": wanted.until,
        "before": before,
        "before_id": before_id,
        "limit": wanted.limit,
    }
    return await rows.all(AccountChange, PAGE, params)
