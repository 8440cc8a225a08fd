"""Reads by operators: they name an account that is an auditor's, and each read is recorded before it is shown."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

import typer
from uuid_utils.compat import uuid7

from application.audit_reads import RecordAuditRead
from application.identity.auditing import NoSuchAccount
from application.ports import Actor, CommandContext, EventFilter
from application.travel.subjects import Subjects, concerned
from application.travel.views import EventView, event_views
from domain.audit.audit_read import AuditRead
from domain.identity.claims import email_claim
from domain.identity.user import User
from domain.text import email_address
from infra.audit.trail import PostgresAuditTrail
from infra.bootstrap.audit import open_audit_trail
from infra.bootstrap.write_side import WriteSide, open_for_command
from infra.settings.load import load

UNBOUNDED = 2**62


@dataclass(frozen=True, slots=True)
class OperatorRead:
    """What an operator reads with. `user_id`: their account; None: nothing is unsealed or recorded."""

    core: WriteSide
    trail: PostgresAuditTrail
    user_id: UUID | None

    async def record(
        self,
        command: str,
        subjects: Subjects,
        *,
        topic: str | None = None,
        id: UUID | None = None,
        filters: Mapping[str, object] | None = None,
    ) -> None:
        """Record a read, if the operator has named their account. `command`: the words of the command line.

        Raises:
            Refusal: the account is not an auditor's.
            Unavailable: the database does not answer.
        """
        if self.user_id is None:
            return
        read = RecordAuditRead(
            operation=f"palimpsest {command}",
            topic=topic,
            aggregate_id=id,
            filters={name: str(value) for name, value in (filters or {}).items() if value is not None},
            user_ids=[*subjects.user_ids],
            team_ids=[*subjects.team_ids],
        )
        await self.core.bus({}).send(read, CommandContext(actor=Actor(self.user_id), correlation_id=uuid7()))

    async def record_views(self, command: str, wanted: EventFilter, after: int, views: Sequence[EventView]) -> None:
        """Record that events after a position are read, among those that are wanted.

        Events that only say what auditors have read are not recorded once more: that would be one more of them.
        """
        if any(view.topic != AuditRead.TOPIC for view in views):
            filters = {**asdict(wanted), "after": after, "events": len(views)}
            await self.record(command, concerned(views), filters=filters)

    async def record_page(self, command: str, wanted: EventFilter, after: int, number: int) -> None:
        """Record the same of a reader that has no views: the first events after the position are looked up."""
        if self.user_id is not None:
            views = await event_views(self.trail, await self.trail.search(wanted, after, number))
            await self.record_views(command, wanted, after, views)


@asynccontextmanager
async def operator_read(unseal: bool, by: str | None) -> AsyncIterator[OperatorRead]:
    """Open the log. Without an account with the rights of a projector, which may append nothing and read no snapshot.

    Raises:
        BadParameter: personal fields are wanted, and no account is named.
        Refusal: there is no such account.
        Unavailable: the database does not answer.
    """
    if unseal and by is None:
        raise typer.BadParameter("--unseal needs --by: the email address of your account, which is an auditor's")
    part: Any = "projector" if by is None else "api"
    async with open_for_command(load(part=part), part) as core:
        trail = open_audit_trail(core, UNBOUNDED)
        yield OperatorRead(core, trail, None if by is None else await _account(core, by))


async def _account(core: WriteSide, given: str) -> UUID:
    address = email_address(given)
    id = await core.store.claimed_by(email_claim(address))
    user = None if id is None else await core.store.load(User, id)
    if user is None or user.email != address:
        raise NoSuchAccount("No account has this email address.")
    return user.id
