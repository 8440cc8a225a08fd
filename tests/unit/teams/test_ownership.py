"""The ownership of a team: offered by an owner, and accepted, declined or taken back."""

from collections.abc import Callable

import pytest

from domain.access import Person
from domain.kernel import NotFound
from domain.teams import ownership
from domain.teams.erasure import end_membership
from domain.teams.refusals import NoSuchOffer
from domain.teams.team import Team
from tests.support.given import NOW, fact, given, new_events, person

ADA, BOB, EVE, STRANGER = map(person, range(1, 5))
offered = fact(Team.OwnershipOffered, owner_id=ADA.user_id, user_id=BOB.user_id)
withdrawn = fact(Team.OwnershipOfferWithdrawn)


def crew(*past: object) -> Team:
    """A team of Ada, who owns it, Bob and Eve."""
    founded = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=5)
    joined = [
        fact(Team.InvitationAccepted, address_id=who.address_id, user_id=who.user_id, role="editor")
        for who in (BOB, EVE)
    ]
    return given(Team, founded, *joined, *past)  # type: ignore[arg-type]


def test_the_ownership_is_offered_once() -> None:
    team = crew()
    ownership.offer(team, user_id=ADA.user_id, by=ADA, now=NOW)
    ownership.offer(team, user_id=BOB.user_id, by=ADA, now=NOW)
    ownership.offer(team, user_id=BOB.user_id, by=ADA, now=NOW)
    assert new_events(team) == [offered]
    assert team.members[BOB.user_id] == "editor"


def test_an_accepted_offer_changes_both_roles() -> None:
    team = crew(offered)
    ownership.accept(team, by=BOB, now=NOW)
    assert new_events(team) == [
        fact(Team.OwnershipTransferred, former_owner_id=ADA.user_id, owner_id=BOB.user_id),
    ]
    assert (team.members[ADA.user_id], team.members[BOB.user_id]) == ("admin", "owner")
    with pytest.raises(NoSuchOffer):
        ownership.accept(team, by=BOB, now=NOW)


def test_an_offer_is_declined() -> None:
    team = crew(offered)
    ownership.decline(team, by=BOB, now=NOW)
    assert new_events(team) == [fact(Team.OwnershipOfferDeclined)]
    with pytest.raises(NoSuchOffer):
        ownership.accept(team, by=BOB, now=NOW)


def test_an_offer_is_taken_back_once() -> None:
    team = crew(offered)
    ownership.withdraw(team, by=ADA, now=NOW)
    ownership.withdraw(team, by=ADA, now=NOW)
    assert new_events(team) == [withdrawn]


@pytest.mark.parametrize("answer", [ownership.accept, ownership.decline])
def test_only_whom_it_is_offered_to_can_answer(answer: Callable[..., None]) -> None:
    refusals: list[tuple[Person, type[Exception]]] = [(ADA, NoSuchOffer), (EVE, NoSuchOffer), (STRANGER, NotFound)]
    for who, refusal in refusals:
        with pytest.raises(refusal):
            answer(crew(offered), by=who, now=NOW)


def test_a_later_offer_replaces_the_first() -> None:
    team = crew(offered)
    ownership.offer(team, user_id=EVE.user_id, by=ADA, now=NOW)
    with pytest.raises(NoSuchOffer):
        ownership.accept(team, by=BOB, now=NOW)
    ownership.accept(team, by=EVE, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        lambda team: team.leave(by=BOB, now=NOW),
        lambda team: team.remove(user_id=BOB.user_id, by=ADA, now=NOW),
        lambda team: team.change_role(user_id=BOB.user_id, role="admin", by=ADA, now=NOW),
        lambda team: end_membership(team, ADA.user_id, now=NOW),
        lambda team: end_membership(team, BOB.user_id, now=NOW),
    ],
    ids=["leave", "remove", "change_role", "erase owner", "erase member"],
)
def test_an_offer_ends_when_one_of_the_two_is_no_longer_what_they_were(change: Callable[[Team], None]) -> None:
    team = crew(offered)
    change(team)
    assert withdrawn in new_events(team)
    assert (team.offered_by, team.offered_to) == (None, None)
