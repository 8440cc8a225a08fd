"""What erasures do to teams: memberships end, and a team never lacks an owner."""

from datetime import timedelta
from uuid import UUID

from domain.teams.erasure import end_membership, ends_with, erase_team, withdraw_invitation
from domain.teams.roles import Role
from domain.teams.team import Team
from tests.support.given import ID, NOW, fact, given, new_events, person

OWNER, FIRST, SECOND, THIRD, ADDRESS = (UUID(int=number) for number in (1, 2, 3, 4, 9))
founded = fact(Team.Founded, name="Crew", slug="crew", owner_id=OWNER, seats=5)
invited = fact(
    Team.MemberInvited, address_id=ADDRESS, email="a@example.org", role="editor", expires_at=NOW + timedelta(days=1)
)


def joined(user_id: UUID, role: Role) -> list[object]:
    accepted = fact(Team.InvitationAccepted, address_id=UUID(int=77), user_id=user_id, role="editor")
    return [accepted, fact(Team.MemberRoleChanged, user_id=user_id, role=role)]


def team(*past: object) -> Team:
    return given(Team, founded, *past)  # type: ignore[arg-type]


def test_the_first_admin_follows_the_last_owner() -> None:
    crew = team(*joined(FIRST, "editor"), *joined(SECOND, "admin"))
    end_membership(crew, OWNER, now=NOW)
    assert new_events(crew) == [
        fact(Team.MemberRoleChanged, user_id=SECOND, role="owner"),
        fact(Team.MemberRemoved, user_id=OWNER),
    ]


def test_without_an_admin_the_first_of_the_highest_role_follows() -> None:
    crew = team(*joined(THIRD, "viewer"), *joined(FIRST, "editor"), *joined(SECOND, "editor"))
    end_membership(crew, OWNER, now=NOW)
    assert crew.members == {THIRD: "viewer", FIRST: "owner", SECOND: "editor"}


def test_another_owner_is_enough() -> None:
    crew = team(*joined(FIRST, "owner"))
    end_membership(crew, OWNER, now=NOW)
    assert new_events(crew) == [fact(Team.MemberRemoved, user_id=OWNER)]


def test_a_team_ends_with_its_last_member_who_could_own_it() -> None:
    assert ends_with(team(*joined(FIRST, "guest")), OWNER)
    assert not ends_with(team(*joined(FIRST, "guest")), FIRST)
    assert ends_with(team(invited), OWNER)
    assert not ends_with(team(invited), FIRST)
    assert not ends_with(team(*joined(FIRST, "editor")), OWNER)


def test_nothing_happens_to_a_team_of_others() -> None:
    crew = team()
    end_membership(crew, FIRST, now=NOW)
    withdraw_invitation(crew, ADDRESS, now=NOW)
    assert new_events(crew) == []


def test_an_erased_team_exists_for_no_one_and_is_erased_once() -> None:
    crew = team(invited)
    erase_team(crew, now=NOW)
    erase_team(crew, now=NOW)
    assert new_events(crew) == [
        fact(Team.InvitationRevoked, address_id=ADDRESS),
        fact(Team.MemberRemoved, user_id=OWNER),
        fact(Team.Erased),
    ]
    assert crew.id == ID
    assert crew.role_of(person(1), NOW) is None
