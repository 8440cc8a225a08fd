"""Invitations: mails, many at once, sent again, and those that nothing came of."""

from datetime import timedelta
from typing import Any

import pytest

from application.commands import Command
from application.ports import Actor, NotSettled
from application.privacy.erasure import CarryOutDissolution
from application.teams.invitation import (
    AcceptInvitation,
    DeclineInvitation,
    ExpireInvitations,
    Invitee,
    InviteMember,
    InviteMembers,
    ResendInvitation,
    RevokeInvitation,
)
from application.teams.team import FoundTeam, TeamView
from application.teams.team_deadlines import MeetTeamDeadlines, meet_team_deadlines
from domain.access import AddressNotVerified, RoleTooLow
from domain.kernel import NotFound
from domain.privacy.refusals import ErasureIsHeld
from domain.teams.invitation_times import INVITATION_LIFETIME, RESEND_INTERVAL
from domain.teams.refusals import InvitedRecently, NoSuchInvitation, TeamIsFull
from domain.teams.roles import InvitedRole
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

BOBS, EVES = "bob@example.org", "eve@example.org"


async def crew(runner: CommandRunner) -> tuple[Actor, TeamView]:
    """Ada and her team. All mails about accounts are sent."""
    ada = await runner.actor("ada@example.org")
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.work()
    return ada, team


async def test_an_invitation_is_sent_to_its_address_with_the_id_of_the_team() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    [mail] = await runner.work()
    assert (mail.to, mail.template) == (BOBS, "invitation")
    assert mail.values == {"team": "Crew", "token": str(team.id)}
    runner.see_again()
    assert [again.message_id for again in await runner.work() if again.template == "invitation"] == [mail.message_id]


async def test_an_invitation_that_is_over_is_not_sent() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    bob = await runner.actor(BOBS)
    await runner.work()
    ends: list[tuple[Any, Actor]] = [
        (DeclineInvitation(id=team.id), bob),
        (RevokeInvitation(id=team.id, email=BOBS), ada),
    ]
    for end, by in ends:
        await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
        await runner.ask(end, by)
        assert await runner.work() == []


async def test_an_invitation_is_sent_again_after_a_while() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    [first] = await runner.work()
    with pytest.raises(InvitedRecently):
        await runner.ask(ResendInvitation(id=team.id, email=BOBS), ada)
    runner.now = NOW + RESEND_INTERVAL
    await runner.ask(ResendInvitation(id=team.id, email=BOBS), ada)
    [second] = await runner.work()
    assert first.message_id != second.message_id
    with pytest.raises(NoSuchInvitation):
        await runner.ask(ResendInvitation(id=team.id, email=EVES), ada)


async def test_an_expired_invitation_is_open_again_once_it_is_sent_again() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    bob = await runner.actor(BOBS)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    runner.now = NOW + INVITATION_LIFETIME
    await runner.ask(ResendInvitation(id=team.id, email=BOBS), ada)
    assert (await runner.ask(AcceptInvitation(id=team.id), bob)).members == 2


async def test_an_expired_invitation_that_is_sent_again_needs_a_seat() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    runner.now = NOW + INVITATION_LIFETIME
    for number in range(4):
        await runner.ask(InviteMember(id=team.id, email=f"{number}@example.org"), ada)
    with pytest.raises(TeamIsFull):
        await runner.ask(ResendInvitation(id=team.id, email=BOBS), ada)


async def test_many_are_invited_at_once_and_each_has_an_outcome() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    addresses = [BOBS, "ada@example.org", "nothing", EVES, BOBS, *(f"{number}@example.org" for number in range(3))]
    command = InviteMembers(id=team.id, invitees=[Invitee(email=address, role="viewer") for address in addresses])
    refused = {1: "already_a_member", 2: "unusable_email", 7: "team_is_full"}
    answer = await runner.ask(command, ada)
    assert answer.outcomes == [refused.get(number, "invited") for number in range(len(addresses))]
    assert sorted(mail.to for mail in await runner.work()) == sorted({BOBS, EVES, "0@example.org", "1@example.org"})


async def test_one_address_gets_one_mail_however_often_it_is_invited_with_other_roles() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    roles: list[InvitedRole] = ["viewer", "guest", "viewer", "editor"]
    command = InviteMembers(id=team.id, invitees=[Invitee(email=BOBS, role=role) for role in roles])
    outcomes = (await runner.ask(command, ada)).outcomes
    assert outcomes == ["invited", "invited_recently", "invited", "invited_recently"]
    with pytest.raises(InvitedRecently):
        await runner.ask(InviteMember(id=team.id, email=BOBS, role="editor"), ada)
    assert [mail.to for mail in await runner.work()] == [BOBS]
    runner.now += RESEND_INTERVAL
    await runner.ask(InviteMember(id=team.id, email=BOBS, role="editor"), ada)
    assert [mail.to for mail in await runner.work()] == [BOBS]


async def test_a_person_who_may_not_invite_learns_no_outcome() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    bob = await runner.actor(BOBS)
    command = InviteMembers(id=team.id, invitees=[Invitee(email=EVES, role="viewer")])
    with pytest.raises(NotFound):
        await runner.ask(command, bob)
    with pytest.raises(AddressNotVerified):
        await runner.ask(command, Actor(ada.user_id))
    await runner.ask(InviteMember(id=team.id, email=BOBS, role="viewer"), ada)
    await runner.ask(AcceptInvitation(id=team.id), bob)
    with pytest.raises(RoleTooLow):
        await runner.ask(command, bob)
    with pytest.raises(RoleTooLow):
        await runner.ask(ResendInvitation(id=team.id, email=EVES), bob)


class Due:
    """Implements `TeamDeadlines`: one team after the other."""

    def __init__(self, *teams: object) -> None:
        self._teams = list(teams)

    async def due(self, now: object, *, after: object) -> list[object]:
        first = 0 if after is None else self._teams.index(after) + 1
        return self._teams[first : first + 1]


async def test_invitations_end_when_their_time_is_over() -> None:
    runner = CommandRunner()
    ada, team = await crew(runner)
    await runner.ask(InviteMember(id=team.id, email=BOBS), ada)
    runner.now += timedelta(days=1)
    await runner.ask(InviteMember(id=team.id, email=EVES), ada)
    runner.now = NOW + INVITATION_LIFETIME

    async def send(command: Command[None], key: str) -> None:
        await runner.send(command, key=key)

    await meet_team_deadlines(MeetTeamDeadlines(), Due(ada.user_id, team.id), send, runner.clock)  # type: ignore[arg-type]
    await runner.ask(ExpireInvitations(id=team.id))
    assert runner.happened()[-1:] == ["team.invitation_expired"]
    assert runner.happened().count("team.invitation_expired") == 1
    with pytest.raises(NoSuchInvitation):
        await runner.ask(ResendInvitation(id=team.id, email=BOBS), ada)


@pytest.mark.parametrize("error", [NotSettled(), ErasureIsHeld("The law requires it.")])
async def test_a_team_that_is_not_settled_or_is_held_stops_no_other(error: Exception) -> None:
    runner = CommandRunner()
    tried = []

    async def send(command: ExpireInvitations | CarryOutDissolution, key: str) -> None:
        tried.append(command.id)
        raise error

    teams = [(await runner.actor(f"{number}@example.org")).user_id for number in range(2)]
    await meet_team_deadlines(MeetTeamDeadlines(), Due(*teams), send, runner.clock)  # type: ignore[arg-type]
    assert tried == [teams[0], teams[0], teams[1], teams[1]]
