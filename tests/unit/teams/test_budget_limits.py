"""Limits of a team's budget: who may set them, and what they say."""

from typing import Any

import pytest

from domain.access import RoleTooLow
from domain.kernel import NotFound
from domain.teams.budget_limits import MAX_BUDGET_LIMIT, UnusableBudgetLimit, budget_limit, limit_budget
from domain.teams.refusals import NoSuchMember
from domain.teams.team import Team
from tests.support.given import NOW, fact, given, new_events, person

ADA, BOB, EVE = person(1), person(2), person(3)
FOUNDED = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=3)
BOB_JOINED = fact(Team.MemberJoined, user_id=BOB.user_id, role="admin")


def crew(*past: Any) -> Team:
    return given(Team, FOUNDED, BOB_JOINED, *past)


def limit(team: Team, **values: Any) -> None:
    limit_budget(team, **{"user_id": None, "tokens": None, "micros": None, "by": ADA, "now": NOW} | values)


def limited(**values: Any) -> Any:
    return fact(Team.BudgetLimited, **{"user_id": None, "tokens": None, "micros": None} | values)


def test_an_owner_limits_the_team_and_a_member() -> None:
    team = crew()
    limit(team, tokens=1_000)
    limit(team, user_id=BOB.user_id, micros=0)
    assert new_events(team) == [limited(tokens=1_000), limited(user_id=BOB.user_id, micros=0)]
    assert (budget_limit(team), budget_limit(team, BOB.user_id)) == ((1_000, None), (None, 0))


def test_the_same_limit_again_is_not_news() -> None:
    team = crew(limited(tokens=5))
    limit(team, tokens=5)
    limit(team, user_id=BOB.user_id)
    assert new_events(team) == []


def test_a_limit_can_be_removed_also_that_of_a_former_member() -> None:
    team = crew(limited(user_id=BOB.user_id, tokens=5), fact(Team.MemberLeft, user_id=BOB.user_id))
    limit(team, user_id=BOB.user_id)
    assert new_events(team) == [limited(user_id=BOB.user_id)]
    assert budget_limit(team, BOB.user_id) == (None, None)


@pytest.mark.parametrize(
    ("refusal", "values"),
    [
        (RoleTooLow, {"by": BOB, "tokens": 1}),
        (NotFound, {"by": EVE, "tokens": 1}),
        (NoSuchMember, {"user_id": EVE.user_id, "tokens": 1}),
        (UnusableBudgetLimit, {"tokens": -1}),
        (UnusableBudgetLimit, {"micros": MAX_BUDGET_LIMIT + 1}),
    ],
)
def test_other_limits_are_refused(refusal: type[Exception], values: dict[str, Any]) -> None:
    team = crew()
    with pytest.raises(refusal):
        limit(team, **values)
    assert new_events(team) == []
