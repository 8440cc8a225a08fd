"""Use cases of teams."""

import pytest

from application.billing.subscription import ChangePlan
from application.ports import Actor, ClaimTaken
from application.privacy.erasure import CarryOutDissolution
from application.teams.dissolution import DissolveTeam
from application.teams.invitation import AcceptInvitation, DeclineInvitation, InviteMember, RevokeInvitation
from application.teams.ownership import AcceptOwnership, DeclineOwnership, OfferOwnership, WithdrawOwnershipOffer
from application.teams.team import (
    ChangeMemberRole,
    ChangeSlug,
    FoundTeam,
    LeaveTeam,
    RemoveMember,
    RenameTeam,
    TeamView,
)
from domain.access import RoleTooLow
from domain.billing.subscription import Subscription
from domain.kernel import NotFound, Party
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.refusals import AlreadyAMember
from domain.teams.team import Team
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

BOBS = "bob@example.org"


async def crew(runner: CommandRunner) -> tuple[Actor, Actor, TeamView]:
    """Ada, Bob, and Ada's team."""
    ada, bob = await runner.actor("ada@example.org"), await runner.actor(BOBS)
    return ada, bob, await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)


async def test_a_team_is_founded_with_free_seats() -> None:
    runner = CommandRunner()
    _, _, team = await crew(runner)
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
        dissolution_due=None,
        dissolved_at=None,
    )


async def test_a_team_has_the_seats_of_its_founders_plan() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    await runner.ask(ChangePlan(plan="pro"), ada)
    assert (await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)).seats == 25


async def test_the_seats_of_a_team_follow_its_own_plan() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)

    async def seats() -> int:
        await runner.work()
        loaded = await runner.store.load(Team, team.id)
        assert loaded is not None
        return loaded.seats

    await runner.ask(ChangePlan(plan="pro"), ada)
    assert await seats() == 5
    subscription = await runner.store.load(Subscription, Subscription.id_of(Party("team", team.id)))
    assert subscription is not None
    subscription.change_plan("enterprise", now=NOW)
    await runner.store.append([subscription], runner.call, None)
    assert await seats() == 250
    subscription.cancel(now=NOW)
    await runner.store.append([subscription], runner.call, None)
    assert await seats() == 5


async def test_a_slug_belongs_to_one_team_until_it_is_dissolved() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    with pytest.raises(ClaimTaken) as refused:
        await runner.ask(FoundTeam(name="Other", slug="crew"), bob)
    assert refused.value.kind == "team_slug"
    dissolving = await runner.ask(DissolveTeam(id=team.id), ada)
    assert (dissolving.dissolution_due, dissolving.dissolved_at) == (NOW + DISSOLUTION_GRACE, None)
    runner.now += DISSOLUTION_GRACE
    await runner.ask(CarryOutDissolution(id=team.id))
    await runner.ask(FoundTeam(name="Other", slug="crew"), bob)


async def test_a_slug_is_changed_to_a_free_one() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    other = await runner.ask(FoundTeam(name="Other", slug="other"), bob)
    with pytest.raises(ClaimTaken):
        await runner.ask(ChangeSlug(id=other.id, slug="crew"), bob)
    assert (await runner.ask(ChangeSlug(id=team.id, slug="band"), ada)).slug == "band"
    assert (await runner.ask(ChangeSlug(id=other.id, slug="crew"), bob)).slug == "crew"


async def test_an_invitation_by_email_makes_a_member() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    invited = await runner.ask(InviteMember(id=team.id, email="Bob@example.org"), ada)
    assert (invited.members, invited.seats_taken) == (1, 2)
    joined = await runner.ask(AcceptInvitation(id=team.id), bob)
    assert (joined.members, joined.seats_taken) == (2, 2)
    assert (await runner.ask(RenameTeam(id=team.id, name="Band"), ada)).name == "Band"


async def test_an_invitation_without_a_role_makes_a_member() -> None:
    """Survived a mutation: the role of an invitation that names none."""
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    await runner.ask(AcceptInvitation(id=team.id), bob)
    with pytest.raises(RoleTooLow):
        await runner.ask(RenameTeam(id=team.id, name="Band"), bob)


async def test_the_address_of_a_member_is_not_invited_again() -> None:
    """Case 7: the invitation, which the member could not accept, held a seat."""
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    joined = await runner.ask(AcceptInvitation(id=team.id), bob)
    for by, member in ((ada, BOBS), (ada, "Ada@example.org"), (bob, "ada@example.org")):
        await runner.ask(ChangeMemberRole(id=team.id, user_id=bob.user_id, role="admin"), ada)
        with pytest.raises(AlreadyAMember) as refused:
            await runner.ask(InviteMember(id=team.id, email=member, role="admin"), by)
        assert refused.value.code == "already_a_member"
    assert (await runner.ask(RenameTeam(id=team.id, name="Band"), ada)).seats_taken == joined.seats_taken == 2


async def test_an_invitation_is_declined_or_revoked() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    invite = InviteMember(id=team.id, email=BOBS)
    await runner.ask(invite, ada)
    await runner.ask(DeclineInvitation(id=team.id), bob)
    await runner.ask(invite, ada)
    assert (await runner.ask(RevokeInvitation(id=team.id, email=BOBS), ada)).seats_taken == 1
    with pytest.raises(NotFound):
        await runner.ask(AcceptInvitation(id=team.id), bob)


async def test_members_are_managed_until_they_leave() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS, role="admin"), ada)
    await runner.ask(AcceptInvitation(id=team.id), bob)
    await runner.ask(ChangeMemberRole(id=team.id, user_id=bob.user_id, role="viewer"), ada)
    for answer in (DeclineOwnership(id=team.id), AcceptOwnership(id=team.id)):
        await runner.ask(OfferOwnership(id=team.id, user_id=bob.user_id), ada)
        await runner.ask(WithdrawOwnershipOffer(id=team.id), ada)
        await runner.ask(OfferOwnership(id=team.id, user_id=bob.user_id), ada)
        await runner.ask(answer, bob)
    await runner.ask(LeaveTeam(id=team.id), ada)
    with pytest.raises(NotFound):
        await runner.ask(RenameTeam(id=team.id, name="Band"), ada)
    round = ["team.ownership_offered", "team.ownership_offer_withdrawn", "team.ownership_offered"]
    assert runner.happened()[-9:] == [
        *round,
        "team.ownership_offer_declined",
        *round,
        "team.ownership_transferred",
        "team.member_left",
    ]


async def test_a_removed_member_is_out() -> None:
    runner = CommandRunner()
    ada, bob, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    await runner.ask(AcceptInvitation(id=team.id), bob)
    assert (await runner.ask(RemoveMember(id=team.id, user_id=bob.user_id), ada)).members == 1
    with pytest.raises(NotFound):
        await runner.ask(LeaveTeam(id=team.id), bob)
