"""Use cases of teams."""

import pytest

from application.ports import Actor, ClaimTaken
from application.teams.team import (
    AcceptInvitation,
    ChangeMemberRole,
    DeclineInvitation,
    DissolveTeam,
    FoundTeam,
    InviteMember,
    LeaveTeam,
    RemoveMember,
    RenameTeam,
    RevokeInvitation,
    TeamView,
    TransferOwnership,
)
from domain.kernel import NotFound
from tests.support.given import NOW
from tests.support.use_cases import Desk

BOBS = "bob@example.org"


async def crew(desk: Desk) -> tuple[Actor, Actor, TeamView]:
    """Ada, Bob, and Ada's team."""
    ada, bob = await desk.actor("ada@example.org"), await desk.actor(BOBS)
    return ada, bob, await desk.ask(FoundTeam(name="Crew", slug="crew"), ada)


async def test_a_team_is_founded_with_free_seats() -> None:
    desk = Desk()
    _, _, team = await crew(desk)
    assert team == TeamView(
        id=team.id,
        name="Crew",
        slug="crew",
        seats=5,
        seats_taken=1,
        members=1,
        version=1,
        created_at=NOW,
        updated_at=NOW,
        dissolved_at=None,
    )


async def test_a_slug_belongs_to_one_team_until_it_is_dissolved() -> None:
    desk = Desk()
    ada, bob, team = await crew(desk)
    with pytest.raises(ClaimTaken) as refused:
        await desk.ask(FoundTeam(name="Other", slug="crew"), bob)
    assert refused.value.kind == "team_slug"
    assert (await desk.ask(DissolveTeam(id=team.id), ada)).dissolved_at == NOW
    await desk.ask(FoundTeam(name="Other", slug="crew"), bob)


async def test_an_invitation_by_email_makes_a_member() -> None:
    desk = Desk()
    ada, bob, team = await crew(desk)
    invited = await desk.ask(InviteMember(id=team.id, email="Bob@example.org"), ada)
    assert (invited.members, invited.seats_taken) == (1, 2)
    joined = await desk.ask(AcceptInvitation(id=team.id), bob)
    assert (joined.members, joined.seats_taken) == (2, 2)
    assert (await desk.ask(RenameTeam(id=team.id, name="Band"), ada)).name == "Band"


async def test_an_invitation_is_declined_or_revoked() -> None:
    desk = Desk()
    ada, bob, team = await crew(desk)
    invite = InviteMember(id=team.id, email=BOBS)
    await desk.ask(invite, ada)
    await desk.ask(DeclineInvitation(id=team.id), bob)
    await desk.ask(invite, ada)
    assert (await desk.ask(RevokeInvitation(id=team.id, email=BOBS), ada)).seats_taken == 1
    with pytest.raises(NotFound):
        await desk.ask(AcceptInvitation(id=team.id), bob)


async def test_members_are_managed_until_they_leave() -> None:
    desk = Desk()
    ada, bob, team = await crew(desk)
    await desk.ask(InviteMember(id=team.id, email=BOBS, role="admin"), ada)
    await desk.ask(AcceptInvitation(id=team.id), bob)
    await desk.ask(ChangeMemberRole(id=team.id, user_id=bob.user_id, role="member"), ada)
    await desk.ask(TransferOwnership(id=team.id, user_id=bob.user_id), ada)
    await desk.ask(LeaveTeam(id=team.id), ada)
    with pytest.raises(NotFound):
        await desk.ask(RenameTeam(id=team.id, name="Band"), ada)
    assert desk.happened()[-3:] == ["team.member_role_changed", "team.ownership_transferred", "team.member_left"]


async def test_a_removed_member_is_out() -> None:
    desk = Desk()
    ada, bob, team = await crew(desk)
    await desk.ask(InviteMember(id=team.id, email=BOBS), ada)
    await desk.ask(AcceptInvitation(id=team.id), bob)
    assert (await desk.ask(RemoveMember(id=team.id, user_id=bob.user_id), ada)).members == 1
    with pytest.raises(NotFound):
        await desk.ask(LeaveTeam(id=team.id), bob)
