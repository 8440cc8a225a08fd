"""Job: the erasure of accounts whose address was not verified in time. Then the address can be registered again."""

from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from application.jobs import ScheduledJob, performs, report_unread
from application.ports import Clock, NotSettled, SendAsSystem, Unreadable, UnverifiedUsers
from application.privacy.completion import complete_unless_held
from application.privacy.erasure import EraseUnverifiedUser


class EraseUnverifiedUsers(ScheduledJob, frozen=True, kw_only=True):
    """Erase all accounts that were not verified in time."""

    kind: ClassVar[str] = "erase_unverified_users"
    queue: ClassVar[str] = "accounts"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)
    every: ClassVar[str | None] = "17 * * * *"


@performs
async def erase_unverified_users(
    job: EraseUnverifiedUsers, unverified: UnverifiedUsers, send: SendAsSystem, clock: Clock
) -> None:
    now, last = clock(), None
    unread: set[UUID] = set()
    while users := await unverified.due(now, after=last):
        for last in users:
            try:
                unread.update(
                    await complete_unless_held(EraseUnverifiedUser(id=last.id), f"{job.effect_key}:{last.id}", send)
                )
            except Unreadable:
                unread.add(last.id)
            except NotSettled:
                continue  # The command is carried out; reads may follow later.
    report_unread(unread)
