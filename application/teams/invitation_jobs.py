"""Job: the mail of an invitation to a team."""

from typing import ClassVar
from uuid import UUID

from application.jobs import performs
from application.mail_jobs import MailJob, send_mail
from application.ports import Clock, EventStore, Mail, Mailer
from domain.teams.team import Team


class InvitationMail(MailJob, frozen=True, kw_only=True):
    """Send an invitation to its address. `version`: that of the event."""

    kind: ClassVar[str] = "invitation_mail"

    team_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"invitation.{self.team_id.hex}.{self.version}"


@performs
async def send_invitation(job: InvitationMail, events: EventStore, mailer: Mailer, clock: Clock) -> None:
    team = await events.load(Team, job.team_id)
    [event] = await events.events([(job.team_id, job.version)])
    if team is None or not isinstance(event, Team.MemberInvited):
        return
    # Meanwhile it may have been answered, revoked or renewed.
    is_open = team.dissolved_at is None and team.is_open(event.address_id, clock())
    if is_open and team.invited_until[event.address_id] == event.expires_at:
        values = {"team": team.name, "token": str(team.id)}
        await send_mail(mailer, Mail(event.email, "invitation", values, job.effect_key))
