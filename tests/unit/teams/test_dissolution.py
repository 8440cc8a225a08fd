"""The dissolution of a team: requested, and withdrawn or carried out after a time of grace."""

from collections.abc import Callable

import pytest

from domain.access import RoleTooLow
from domain.kernel import Claim
from domain.teams import dissolution, invitations
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.refusals import DissolutionIsRequested, TeamIsDissolved
from domain.teams.team import Team
from tests.support.given import NOW, address_of, fact, given, new_events, person

ADA, BOB, EVE = map(person, range(1, 4))
DUE = NOW + DISSOLUTION_GRACE
requested = fact(Team.DissolutionRequested, due=DUE)


def crew(*past: object) -> Team:
    """A team of Ada, who owns it, and Bob. Eve is invited."""
    founded = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=5)
    joined = fact(Team.InvitationAccepted, address_id=BOB.address_id, user_id=BOB.user_id, role="admin")
    invited = fact(Team.MemberInvited, address_id=EVE.address_id, email="e@example.org", role="editor", expires_at=DUE)
    return given(Team, founded, joined, invited, *past)  # type: ignore[arg-type]


def test_a_team_is_dissolved_once_its_grace_is_over() -> None:
    team = crew()
    dissolution.request(team, by=ADA, now=NOW)
    dissolution.request(team, by=ADA, now=NOW)
    dissolution.carry_out(team, now=DUE.replace(year=DUE.year - 1))
    assert new_events(team) == [requested]
    dissolution.carry_out(team, now=DUE)
    dissolution.carry_out(team, now=DUE)
    *_, event = team.pending_events
    assert new_events(team) == [requested, fact(Team.Dissolved, slug="crew")]
    assert isinstance(event, Team.Dissolved)
    assert list(event.releases()) == [Claim("team_slug", "crew")]
    assert team.dissolved_at == DUE
    with pytest.raises(TeamIsDissolved):
        dissolution.withdraw(team, by=ADA, now=DUE)


def test_a_dissolution_is_withdrawn_once() -> None:
    team = crew(requested)
    dissolution.withdraw(team, by=ADA, now=NOW)
    dissolution.withdraw(team, by=ADA, now=NOW)
    dissolution.carry_out(team, now=DUE)
    assert new_events(team) == [fact(Team.DissolutionWithdrawn)]
    team.rename("Band", by=ADA, now=NOW)


def test_until_it_is_dissolved_a_team_is_read_only_but_can_be_left() -> None:
    team = crew(requested)
    commands: list[Callable[[], None]] = [
        lambda: team.rename("Band", by=ADA, now=NOW),
        lambda: invitations.invite(
            team, address_id=address_of(EVE), email="e@example.org", role="admin", by=ADA, now=NOW
        ),
        lambda: invitations.accept(team, by=EVE, now=NOW),
        lambda: team.remove(user_id=BOB.user_id, by=ADA, now=NOW),
    ]
    for refused in commands:
        with pytest.raises(DissolutionIsRequested):
            refused()
    invitations.decline(team, by=EVE, now=NOW)
    team.leave(by=BOB, now=NOW)
    assert team.role_of(ADA, NOW) == "owner"


def test_only_an_owner_dissolves_a_team() -> None:
    for command in (dissolution.request, dissolution.withdraw):
        with pytest.raises(RoleTooLow):
            command(crew(), by=BOB, now=NOW)
