"""Loans of documents to teams: roles of members, what ends a loan, and what revives none."""

from uuid import UUID

import pytest

from domain.access import RoleTooLow
from domain.content import erasure, lending, ownership
from domain.content.document import Document
from domain.content.lending import MAX_TEAM_SHARES, lend, lives, lower, role_by_loan, take_back
from domain.content.ownership import FormerOwner
from domain.content.refusals import DocumentIsTrashed, TeamsDoNotLend, TooManyTeamShares
from domain.content.roles import ShareRole
from domain.kernel import NotFound
from domain.teams import dissolution, invitations
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of, fact, new_events, person, replayed, state

ADA, ADMIN, EDITOR, VIEWER, GUEST, STRANGER = map(person, range(1, 7))
TEAM_ID = UUID(int=0x7EA)


def join(team: Team, number: int, role: InvitedRole) -> None:
    who, founder = person(number), person(9)
    invitations.invite(team, address_id=address_of(who), email="a@example.org", role=role, by=founder, now=NOW)
    invitations.accept(team, by=who, now=NOW)


def crew(id: UUID = TEAM_ID, lender: InvitedRole = "editor") -> Team:
    """A team of others, which Ada has joined."""
    team = Team.found(id=id, name="Crew", slug=f"crew-{id.int}", owner_id=person(9).user_id, seats=9, now=NOW)
    roles: list[InvitedRole] = [lender, "admin", "editor", "viewer", "guest"]
    for number, role in enumerate(roles, start=1):
        join(team, number, role)
    return team


def document() -> Document:
    return Document.create(id=ID, owner_id=ADA.user_id, title="A", content="", now=NOW)


def lent(team: Team, role: ShareRole = "editor") -> Document:
    one = document()
    lend(one, team, role, by=ADA, now=NOW)
    return one


@pytest.mark.parametrize(
    ("role", "roles"),
    [
        ("editor", ["editor", "editor", "viewer", None, None]),
        ("commenter", ["commenter", "commenter", "viewer", None, None]),
        ("viewer", ["viewer", "viewer", "viewer", None, None]),
    ],
)
def test_members_have_the_lower_one_of_both_roles(role: ShareRole, roles: list[ShareRole | None]) -> None:
    team = crew()
    one = lent(team, role)
    assert [role_by_loan(one, team, who) for who in (ADMIN, EDITOR, VIEWER, GUEST, STRANGER)] == roles


def test_the_lower_one_of_two_roles_is_found_in_either_order() -> None:
    assert [
        lower("editor", "owner"),
        lower("editor", "viewer"),
        lower("viewer", "editor"),
        lower("viewer", "viewer"),
    ] == [
        "editor",
        "viewer",
        "viewer",
        "viewer",
    ]


def test_a_repeated_loan_is_not_news_and_another_role_changes_it() -> None:
    team = crew()
    one = lent(team)
    one.collect_events()
    lend(one, team, "editor", by=ADA, now=NOW)
    lend(one, team, "viewer", by=ADA, now=NOW)
    assert new_events(one) == [fact(Document.TeamShareChanged, team_id=TEAM_ID, role="viewer")]


def test_a_loan_is_taken_back_once_and_only_by_the_owner() -> None:
    team = crew()
    one = lent(team)
    one.collect_events()
    with pytest.raises(NotFound):
        take_back(one, TEAM_ID, by=STRANGER, now=NOW)
    take_back(one, TEAM_ID, by=ADA, now=NOW)
    take_back(one, TEAM_ID, by=ADA, now=NOW)
    assert new_events(one) == [fact(Document.TeamShareRevoked, team_id=TEAM_ID)]
    assert role_by_loan(one, team, EDITOR) is None


def test_only_owners_lend_and_only_to_teams_in_which_they_may_read() -> None:
    with pytest.raises(NotFound):
        lend(document(), crew(), "viewer", by=EDITOR, now=NOW)
    with pytest.raises(NotFound):
        lend(document(), crew(lender="guest"), "viewer", by=ADA, now=NOW)
    with pytest.raises(NotFound):
        lend(
            document(), Team.found(id=TEAM_ID, name="A", slug="others", owner_id=ID, now=NOW), "viewer", by=ADA, now=NOW
        )
    trashed = document()
    trashed.trash(by=ADA, now=NOW)
    with pytest.raises(DocumentIsTrashed):
        lend(trashed, crew(), "viewer", by=ADA, now=NOW)


def test_a_document_of_a_team_is_not_lent() -> None:
    team = crew()
    one = Document.create(id=ID, owner_kind="team", owner_id=TEAM_ID, title="A", content="", now=NOW)
    ADMIN.lent[TEAM_ID] = "owner"
    with pytest.raises(TeamsDoNotLend):
        lend(one, team, "viewer", by=ADMIN, now=NOW)


def test_loans_are_capped_and_one_that_is_taken_back_makes_room() -> None:
    one = document()
    teams = [crew(UUID(int=number)) for number in range(1, MAX_TEAM_SHARES + 2)]
    for team in teams[:-1]:
        lend(one, team, "viewer", by=ADA, now=NOW)
    with pytest.raises(TooManyTeamShares):
        lend(one, teams[-1], "viewer", by=ADA, now=NOW)
    take_back(one, teams[0].id, by=ADA, now=NOW)
    lend(one, teams[-1], "viewer", by=ADA, now=NOW)


@pytest.mark.parametrize("ending", ["leave", "remove"])
def test_the_end_of_the_lenders_membership_ends_the_loan_and_a_later_one_revives_none(ending: str) -> None:
    team = crew()
    one = lent(team)
    if ending == "leave":
        team.leave(by=ADA, now=NOW)
    else:
        team.remove(user_id=ADA.user_id, by=ADMIN, now=NOW)
    assert role_by_loan(one, team, EDITOR) is None
    join(team, 1, "editor")
    assert role_by_loan(one, team, EDITOR) is None
    one.collect_events()
    lend(one, team, "viewer", by=ADA, now=NOW)
    [again] = new_events(one)
    assert again.kind is Document.SharedWithTeam
    assert role_by_loan(one, team, EDITOR) == "viewer"


def test_a_member_who_leaves_has_the_loan_no_more_and_the_others_keep_it() -> None:
    team = crew()
    one = lent(team)
    team.leave(by=EDITOR, now=NOW)
    assert (role_by_loan(one, team, EDITOR), role_by_loan(one, team, ADMIN)) == (None, "editor")


def test_while_a_dissolution_is_due_members_only_read_and_then_the_loan_is_over() -> None:
    team = crew()
    one = lent(team)
    dissolution.request(team, by=person(9), now=NOW)
    assert role_by_loan(one, team, EDITOR) == "viewer"
    dissolution.carry_out(team, now=NOW + DISSOLUTION_GRACE)
    assert role_by_loan(one, team, EDITOR) is None
    assert not lives(one, team)


def test_a_transfer_and_an_erasure_end_loans() -> None:
    team, ended = crew(), fact(Document.TeamShareRevoked, team_id=TEAM_ID)
    given_away, erased = lent(team), lent(team)
    ownership.offer(given_away, address_id=address_of(EDITOR), email="e@example.org", by=ADA, now=NOW)
    ownership.accept(given_away, None, FormerOwner(ADA.user_id, address_of(ADA), "a@example.org"), by=EDITOR, now=NOW)
    erasure.erase_document(erased, now=NOW)
    assert ended in new_events(given_away)
    assert ended in new_events(erased)


def test_a_loan_is_in_the_history() -> None:
    team = crew()
    one = lent(team)
    lend(one, team, "viewer", by=ADA, now=NOW)
    assert state(replayed(one)) == state(one)


def test_what_ends_access_by_a_loan_is_declared() -> None:
    assert Document.TeamShareChanged.revokes == Document.TeamShareRevoked.revokes == ("document_team_share",)
    assert "team_roster" in Team.MemberLeft.revokes
    assert lending.MAX_TEAM_SHARES == 10


def test_an_editor_of_the_document_does_not_lend_it() -> None:
    team = crew()
    one = document()
    one.trigger_event(Document.Shared, now=NOW, address_id=address_of(EDITOR), email="e@example.org", role="editor")
    with pytest.raises(RoleTooLow):
        lend(one, team, "viewer", by=EDITOR, now=NOW)
