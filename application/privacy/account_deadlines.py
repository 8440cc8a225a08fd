"""Job: what accounts wait for. A former address becomes free, an account that was to be deleted is erased."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from application.commands import Command
from application.identity.email_change import ReleaseFormerEmail
from application.identity.suspension import RemindOfDeletion
from application.jobs import ScheduledJob, performs, report_unread
from application.ports import (
    AccountDeadline,
    AccountDeadlines,
    Clock,
    DeadlineKind,
    EventStore,
    NotSettled,
    SendAsSystem,
    Unreadable,
)
from application.privacy.completion import complete_unless_held
from application.privacy.erasure import EraseDeletedUser, EraseUser
from application.suspended_owners import asks_for_deletion
from domain.kernel import NotFound

COMMANDS: Mapping[DeadlineKind, type[Command[Any]]] = {
    "former_email": ReleaseFormerEmail,
    "deletion_soon": RemindOfDeletion,
    "deletion": EraseDeletedUser,
}
"""What is done about a deadline: a command with the id of the user. It does nothing where there is nothing to do."""


class MeetAccountDeadlines(ScheduledJob, frozen=True, kw_only=True):
    """Do what has become due about accounts."""

    kind: ClassVar[str] = "meet_account_deadlines"
    queue: ClassVar[str] = "accounts"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)
    every: ClassVar[str | None] = "27 * * * *"


@performs
async def meet_account_deadlines(
    job: MeetAccountDeadlines, deadlines: AccountDeadlines, send: SendAsSystem, events: EventStore, clock: Clock
) -> None:
    now, last = clock(), None
    unread: set[UUID] = set()
    while due := await deadlines.due(now, after=last):
        for last in due:
            try:
                unread.update(await _meet(last, send, events))
            except Unreadable:
                unread.add(last.user_id)
            except (NotSettled, NotFound):
                continue  # The command is carried out, and reads may follow later; or the user is gone.
    report_unread(unread)


async def _meet(deadline: AccountDeadline, send: SendAsSystem, events: EventStore) -> list[UUID]:
    """Do what is due; return the streams that cannot be read. A user who is among them is erased all the same."""
    id, key = deadline.user_id, f"{deadline.kind}:{deadline.user_id}:{deadline.due_at.isoformat()}"
    unread = await complete_unless_held(COMMANDS[deadline.kind](id=id), key, send)
    if id in unread and await asks_for_deletion(id, events):
        return await complete_unless_held(EraseUser(id=id), f"unread:{key}", send)
    return unread
