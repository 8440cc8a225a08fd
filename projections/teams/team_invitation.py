"""Open invitations of teams. Only this file writes the table; views of teams and `visibility.py` read it."""

from collections.abc import Iterator

from application.ports import RecordedEvent
from domain.teams.team import Team
from projections.kernel import Change, PersonalData, ReadModel, Table


class TeamInvitations(ReadModel):
    """Invitations that are neither answered nor revoked. Expired ones are included."""

    version = 1
    roots = (Team,)
    personal = PersonalData(
        "ids of addresses", "erasures revoke invitations; those of a damaged team stay, shown by no query"
    )
    table = Table(
        "team_invitation",
        key={"team_id": "uuid", "address_id": "uuid"},
        columns={"role": "text NOT NULL", "expires_at": "timestamptz NOT NULL"},
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Team.MemberInvited(address_id=address_id, role=role, expires_at=expires_at):
                yield self.table.put(event.stream_id, address_id, role=role, expires_at=expires_at)
            case (
                Team.InvitationAccepted(address_id=address_id)
                | Team.InvitationDeclined(address_id=address_id)
                | Team.InvitationRevoked(address_id=address_id)
            ):
                yield self.table.drop(event.stream_id, address_id)
