"""Audit reads: what auditors have read, of whom. Each read is a stream of one event, so reads never wait for another.

A read holds ids, types, times and numbers, and no words of people: the log keeps it for good, and an erasure changes
nothing in it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from domain.kernel import FirstEvent, Invalid, Party, Root

MAX_FILTERS = 16
"""The most filters of a read."""
MAX_FILTER_LENGTH = 200
"""The longest name of a filter, and the longest value, in characters."""
MAX_SUBJECTS = 2_000
"""The most users and teams whose data a read shows: a page of 100 events concerns far fewer."""


class TooWideRead(Invalid):
    """A read has more filters or concerns more people than an event of it may hold."""


class AuditRead(Root):
    """A read by an auditor."""

    TOPIC = "audit"

    class HistoryRead(FirstEvent):
        """An auditor read history. The event is stored before the answer is sent.

        `operation`: by which operation of the API. `topic`, `aggregate_id`: the aggregate that was asked for.
        `filters`: what else was asked for. `user_ids`, `team_ids`: whose data it shows, ids as text.
        """

        TOPIC = "audit.history_read"
        auditor_id: UUID
        operation: str
        filters: dict[str, str]
        user_ids: list[str]
        team_ids: list[str]
        topic: str | None = None
        aggregate_id: UUID | None = None

        def apply(self, aggregate: "AuditRead") -> None:
            aggregate.auditor_id = self.auditor_id

    auditor_id: UUID

    @classmethod
    def record(
        cls,
        *,
        id: UUID,
        auditor_id: UUID,
        operation: str,
        topic: str | None,
        aggregate_id: UUID | None,
        filters: Mapping[str, str],
        user_ids: Sequence[UUID],
        team_ids: Sequence[UUID],
        now: datetime,
    ) -> "AuditRead":
        """Record a read.

        Raises:
            TooWideRead: it has too many filters, too long ones, or concerns too many people.
        """
        longest = max((len(text) for pair in filters.items() for text in pair), default=0)
        if len(filters) > MAX_FILTERS or longest > MAX_FILTER_LENGTH or len(user_ids) + len(team_ids) > MAX_SUBJECTS:
            raise TooWideRead(
                f"A read has at most {MAX_FILTERS} filters of {MAX_FILTER_LENGTH} characters; ask for less at once."
            )
        return cls.start_stream(
            cls.HistoryRead,
            id=id,
            tenant=Party("user", auditor_id),
            now=now,
            auditor_id=auditor_id,
            operation=operation,
            filters=dict(filters),
            user_ids=sorted({str(id) for id in user_ids}),
            team_ids=sorted({str(id) for id in team_ids}),
            topic=topic,
            aggregate_id=aggregate_id,
        )
