"""The policy of invitations to teams."""

from uuid import UUID

from application.policies.send_invitations import send_invitations
from application.teams.invitation_jobs import InvitationMail
from domain.teams.team import Team
from tests.support.given import ID, NOW


def test_each_invitation_is_sent_and_a_repeat_is_recognised() -> None:
    values = {"address_id": UUID(int=9), "email": "bob@example.org", "role": "editor", "expires_at": NOW}
    event = Team.MemberInvited(originator_id=ID, originator_version=7, timestamp=NOW, **values)
    [mail] = send_invitations(event)
    assert isinstance(mail, InvitationMail)
    assert mail == InvitationMail(team_id=ID, version=7)
    assert mail.effect_key == f"invitation.{ID.hex}.7"
