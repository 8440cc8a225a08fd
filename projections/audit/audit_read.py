"""Reads by auditors, by whom and what they concern. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import HistoryFilter, ReadStore, RecordedEvent
from domain.audit.audit_read import AuditRead
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, reads

HISTORY_READ = "audit.history_read"
"""The type of the events."""


@dataclass(frozen=True, slots=True)
class ReadByAuditor:
    """A read. `operation`: of the API; `topic`, `aggregate_id`: what was asked for, if it was one thing."""

    position: int
    at: datetime
    auditor_id: UUID
    operation: str
    topic: str | None
    aggregate_id: UUID | None


class AuditReads(ReadModel):
    """All reads, once for each user, team and thing that they concern."""

    version = 1
    roots = (AuditRead,)
    personal = PersonalData(
        "that an auditor has read what concerns a user, and when; ids only",
        "the rows stay, as the events do: they prove what auditors have seen",
    )
    table = Table(
        "audit_read",
        key={"id": "uuid", "subject_id": "uuid"},
        columns={
            "at": "timestamptz NOT NULL",
            "auditor_id": "uuid NOT NULL",
            "operation": "text NOT NULL",
            "topic": "text",
            "aggregate_id": "uuid",
        },
        indexes=["(subject_id, position)"],
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        read = event.data
        assert isinstance(read, AuditRead.HistoryRead)
        concerned = {*map(UUID, read.user_ids), *map(UUID, read.team_ids)}
        if read.aggregate_id is not None:
            concerned.add(read.aggregate_id)
        for subject_id in sorted(concerned):
            yield self.table.put(
                event.stream_id,
                subject_id,
                at=event.recorded_at,
                auditor_id=read.auditor_id,
                operation=read.operation,
                topic=read.topic,
                aggregate_id=read.aggregate_id,
            )


PAGE = f"""
SELECT {columns_of(ReadByAuditor)} FROM read.audit_read
WHERE subject_id = %(subject_id)s AND position < %(before)s AND position > %(after)s
    AND auditor_id = coalesce(%(auditor_id)s, auditor_id)
    AND at >= coalesce(%(since)s, '-infinity'::timestamptz) AND at < coalesce(%(until)s, 'infinity'::timestamptz)
ORDER BY position DESC LIMIT %(limit)s
"""  # noqa: S608 - columns of our own view


@reads(AuditReads)
async def reads_of(
    rows: ReadStore, subject_id: UUID, wanted: HistoryFilter, before: int, after: int, limit: int
) -> list[ReadByAuditor]:
    """Return reads that concern a user, a team or a thing, between two positions, the latest first.

    A read has no request of a user, so with such a filter there is none.
    """
    if wanted.request_id is not None or wanted.type not in (None, HISTORY_READ):
        return []
    params = {
        "subject_id": subject_id,
        "before": before,
        "after": after,
        "auditor_id": wanted.actor_id,
        "since": wanted.since,
        "until": wanted.until,
        "limit": limit,
    }
    return await rows.all(ReadByAuditor, PAGE, params)
