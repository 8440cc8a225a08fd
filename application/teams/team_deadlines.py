"""Job: ends expired invitations, and dissolves teams whose 14 days of grace are over, with their documents."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from application.commands import Command
from application.jobs import ScheduledJob, performs, report_unread
from application.ports import Clock, NotSettled, SendAsSystem, TeamDeadlines, Unreadable
from application.privacy.completion import complete_unless_held
from application.privacy.erasure import CarryOutDissolution
from application.teams.invitation import ExpireInvitations
from domain.kernel import NotFound


class MeetTeamDeadlines(ScheduledJob, frozen=True, kw_only=True):
    """Do what has become due in teams."""

    kind: ClassVar[str] = "meet_team_deadlines"
    queue: ClassVar[str] = "accounts"
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)
    every: ClassVar[str | None] = "37 * * * *"


@performs
async def meet_team_deadlines(
    job: MeetTeamDeadlines, team_deadlines: TeamDeadlines, send: SendAsSystem, clock: Clock
) -> None:
    now, last = clock(), None
    unread: list[UUID] = []
    while due := await team_deadlines.due(now, after=last):
        for last in due:
            try:
                for command in (ExpireInvitations(id=last), CarryOutDissolution(id=last)):
                    unread += await _carry_out(command, f"{type(command).__name__}:{last}:{now.isoformat()}", send)
            except Unreadable:
                unread.append(last)
    report_unread(unread)


async def _carry_out(command: Command[Any], key: str, send: SendAsSystem) -> list[UUID]:
    """Carry out a command; return the streams that it could not read."""
    with suppress(NotSettled, NotFound):  # it is carried out, and reads may follow later; or the team is gone
        return await complete_unless_held(command, key, send)
    return []
