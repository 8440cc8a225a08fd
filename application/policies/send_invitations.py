"""Policy: an invitation to a team is sent to the address that it is bound to, again whenever it is renewed."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.teams.invitation_jobs import InvitationMail
from domain.teams.team import Team


@policy()
def send_invitations(event: Team.MemberInvited) -> Iterable[Reaction]:
    yield InvitationMail(team_id=event.originator_id, version=event.originator_version)
