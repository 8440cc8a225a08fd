"""Use case of auditors: record what is read, before it is answered. The role is asked of the log each time."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, NewId, Store
from domain.audit.audit_read import AuditRead
from domain.identity.auditing import require_auditor
from domain.identity.user import User


class RecordAuditRead(Command[None]):
    """Record that the actor, an auditor, reads history. The fields are those of `AuditRead.HistoryRead`."""

    operation: str
    topic: str | None = None
    aggregate_id: UUID | None = None
    filters: Mapping[str, str] = {}
    user_ids: Sequence[UUID] = ()
    team_ids: Sequence[UUID] = ()


@handles
async def record_audit_read(cmd: RecordAuditRead, store: Store, actor: Actor, new_id: NewId, clock: Clock) -> None:
    user = await store.get(User, actor.user_id)
    require_auditor(user)
    read = AuditRead.record(
        id=new_id(),
        auditor_id=user.id,
        operation=cmd.operation,
        topic=cmd.topic,
        aggregate_id=cmd.aggregate_id,
        filters=cmd.filters,
        user_ids=cmd.user_ids,
        team_ids=cmd.team_ids,
        now=clock(),
    )
    store.save(read)
