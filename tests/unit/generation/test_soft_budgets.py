"""Soft budgets and the limits of teams: who writes, what is refused, and what the asker sees."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from application.billing.team_budget import LimitTeamBudget, team_usage
from application.generation import answering
from application.generation.generation import CancelGeneration, RetryGeneration
from application.generation.provider_key import SaveProviderKey
from application.generation.queueing import GenerateText
from application.ports import Actor
from application.teams.dissolution import DissolveTeam
from application.teams.invitation import AcceptInvitation, InviteMember
from domain.access import RoleTooLow
from domain.billing.budget import ALLOWANCES, Allowance, Budget, BudgetExceeded, TeamBudgetExceeded, month_of
from domain.kernel import Party
from domain.teams.refusals import DissolutionIsRequested
from tests.support.generations import MODELS
from tests.support.studio import OUTPUT, Studio


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker keep and watch without pauses."""
    monkeypatch.setattr(answering, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(answering, "WATCH_SECONDS", 0.0)


async def studio_with(monkeypatch: pytest.MonkeyPatch, tokens: int) -> Studio:
    """A studio whose owner may use so many tokens a month."""
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(tokens, 1_000_000))
    return await Studio().open()


async def test_the_model_that_is_asked_for_writes_within_the_soft_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 2_000)
    assert (await studio.ask_for()).stand_in is None
    await studio.work()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]


async def test_beyond_the_soft_budget_a_cheaper_model_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 1_500)
    asked = await studio.ask_for()
    cost = MODELS["thrifty"].cost(asked.estimated_tokens, OUTPUT)
    assert (asked.model, asked.stand_in, asked.estimated_micros) == ("swift", "thrifty", cost)
    assert (await studio.budget()).reserved_micros == cost
    await studio._react()
    [(job, _)] = studio.jobs.waiting
    assert isinstance(job, GenerateText)
    assert job.model == "thrifty"
    await studio.work()
    done = await studio.generation(asked.id)
    assert [prompt.model for prompt in studio.provider.asked] == ["thrifty"]
    assert (done.answered_by, done.cost_micros) == ("thrifty", MODELS["thrifty"].cost(100, 10))


async def test_a_refused_text_of_a_stand_in_costs_what_the_stand_in_costs(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 1_500)
    studio.moderation.refused = {"Otters": ("hate",)}
    asked = await studio.ask_for()
    await studio.work()
    refused = await studio.generation(asked.id)
    assert (refused.refused, refused.cost_micros) == ("unsafe_text", MODELS["thrifty"].cost(100, 10))


async def test_a_key_of_ones_own_costs_no_money_beyond_the_soft_budget_of_tokens(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = await studio_with(monkeypatch, 1_500)
    await studio.ask(SaveProviderKey(team_id=None, key="sk-otters-hold-hands-1234"), studio.ada)
    asked = await studio.ask_for()
    assert (asked.stand_in, asked.own_key, asked.estimated_micros) == ("thrifty", True, 0)
    await studio.work()
    done, budget = await studio.generation(asked.id), await studio.budget()
    assert (done.answered_by, done.cost_micros) == ("thrifty", 0)
    assert (budget.used_tokens, budget.used_micros, budget.reserved) == (110, 0, {})


async def test_what_is_reserved_counts_towards_the_soft_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 3_000)
    assert [(await studio.ask_for()).stand_in for _ in range(2)] == [None, "thrifty"]


async def test_a_model_without_a_cheaper_one_writes_beyond_the_soft_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 1_500)
    assert (await studio.ask_for(model="thrifty")).stand_in is None


async def test_beyond_the_hard_budget_no_model_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await studio_with(monkeypatch, 1_000)
    with pytest.raises(BudgetExceeded):
        await studio.ask_for()


async def test_another_round_asks_the_model_that_was_asked_for_if_there_is_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = await studio_with(monkeypatch, 1_500)
    asked = await studio.ask_for()
    await studio.ask(CancelGeneration(id=asked.id), studio.ada)
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(10_000, 1_000_000))
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert (again.model, again.stand_in) == ("swift", None)
    assert again.estimated_micros == MODELS["swift"].cost(again.estimated_tokens, OUTPUT)
    await studio.work()
    assert [prompt.model for prompt in studio.provider.asked] == ["swift"]


async def team_with_bob(studio: Studio) -> tuple[UUID, Actor]:
    """The document is the team's, and Bob is an editor in it."""
    team_id, bob = await studio.give_to_team(), await studio.actor("bob@example.org")
    await studio.ask(InviteMember(id=team_id, email="bob@example.org", role="editor"), studio.ada)
    await studio.ask(AcceptInvitation(id=team_id), bob)
    return team_id, bob


async def test_a_member_spends_no_more_than_an_owner_allows() -> None:
    studio = await Studio().open()
    team_id, bob = await team_with_bob(studio)
    await studio.ask(LimitTeamBudget(team_id=team_id, user_id=bob.user_id, tokens=3_000), studio.ada)
    await studio.ask_for(by=bob)
    await studio.work()
    await studio.ask_for(by=bob)
    with pytest.raises(TeamBudgetExceeded):
        await studio.ask_for(by=bob, max_output_tokens=2_000)
    await studio.ask_for(by=studio.ada, max_output_tokens=2_000)
    seen = await team_usage(studio.store, studio.ada, team_id, studio.now)
    of = {each.user_id: each for each in seen.users}
    assert (of[bob.user_id].tokens.used, of[bob.user_id].tokens.quota) == (110, 3_000)
    assert (of[bob.user_id].limit.tokens, of[studio.ada.user_id].limit.tokens) == (3_000, None)
    assert seen.usage.tokens.used == 110
    assert seen.usage.tokens.reserved == sum(each.tokens.reserved for each in seen.users)


async def test_a_limit_of_the_team_counts_for_all_of_its_users() -> None:
    studio = await Studio().open()
    team_id, bob = await team_with_bob(studio)
    await studio.ask(LimitTeamBudget(team_id=team_id, tokens=2_500), studio.ada)
    await studio.ask_for(by=bob)
    with pytest.raises(BudgetExceeded):
        await studio.ask_for(max_output_tokens=2_000)
    seen = await team_usage(studio.store, studio.ada, team_id, studio.now)
    assert (seen.usage.tokens.quota, seen.limit.tokens) == (2_500, 2_500)


async def test_the_soft_part_of_a_members_limit_counts_too() -> None:
    studio = await Studio().open()
    team_id, bob = await team_with_bob(studio)
    await studio.ask(LimitTeamBudget(team_id=team_id, user_id=bob.user_id, tokens=1_500), studio.ada)
    assert (await studio.ask_for(by=bob)).stand_in == "thrifty"
    assert (await studio.ask_for()).stand_in is None


async def test_what_ends_after_its_cancellation_is_still_spent_by_its_user() -> None:
    studio = await Studio().open()
    team_id, bob = await team_with_bob(studio)
    asked = await studio.ask_for(by=bob)

    written = asyncio.Event()
    studio.provider.scripts = [["12345678", written.set, asyncio.Event()]]
    working = asyncio.create_task(studio.work())
    await written.wait()
    await studio.ask(CancelGeneration(id=asked.id), bob)
    await working
    budget = await studio.store.load(Budget, Budget.id_of(Party("team", team_id), month_of(studio.now)))
    assert budget is not None
    assert budget.used_of(bob.user_id)[0] == budget.used_tokens == asked.estimated_tokens + 2
    assert budget.spenders == {}


async def test_only_owners_set_limits_and_only_admins_see_the_budget() -> None:
    studio = await Studio().open()
    team_id, bob = await team_with_bob(studio)
    with pytest.raises(RoleTooLow):
        await studio.ask(LimitTeamBudget(team_id=team_id, tokens=1), bob)
    with pytest.raises(RoleTooLow):
        await team_usage(studio.store, bob, team_id, studio.now)
    await studio.ask(DissolveTeam(id=team_id), studio.ada)
    assert (await team_usage(studio.store, studio.ada, team_id, studio.now)).users == []
    with pytest.raises(DissolutionIsRequested):
        await studio.ask(LimitTeamBudget(team_id=team_id, tokens=1), studio.ada)


async def test_a_refusal_is_noted_again_after_the_allowance_was_raised_and_lowered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    studio = await studio_with(monkeypatch, 500)
    for _ in range(2):
        monkeypatch.setitem(ALLOWANCES, "free", Allowance(500, 1_000_000))
        for _ in range(2):
            with pytest.raises(BudgetExceeded):
                await studio.ask_for()
            await studio.work()
        monkeypatch.setitem(ALLOWANCES, "free", Allowance(5_000, 1_000_000))
        await studio.ask_for()
        await studio.work()
    notices = [event for event in studio.store.log if isinstance(event, Budget.NoticeReached)]
    assert [notice.limit_tokens for notice in notices] == [500, 500]


async def test_a_request_loads_what_its_payer_may_use_once(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    team_id = await studio.give_to_team()
    loaded: list[str] = []
    load = studio.store.load

    async def note(kind: Any, id: UUID, *, version: int | None = None) -> Any:
        loaded.append(kind.TOPIC)
        return await load(kind, id, version=version)

    monkeypatch.setattr(studio.store, "load", note)
    asked = await studio.ask_for()
    assert asked.payer_id == team_id
    # The team is loaded for the role of the asker, and for what it allows.
    assert sorted(loaded) == ["budget", "document", "key_choice", "subscription", "team", "team"]
