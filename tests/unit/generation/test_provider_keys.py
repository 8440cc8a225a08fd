"""Keys of their own: saved after a trial, used for what their payer asks for, never shown, erased when they end."""

import pytest
from structlog.testing import capture_logs

from application.generation import moderating
from application.generation.generation import RetryGeneration, generation_view
from application.generation.provider_key import (
    DeleteProviderKey,
    ProviderKeyView,
    SaveProviderKey,
    read_provider_key,
    used_key,
)
from application.ports import Actor, AnswerEnd, KeyRefused, PromptRefused, Unavailable, Usage
from application.privacy.erasure import EraseTeam, EraseUser
from application.teams.team import FoundTeam
from domain.billing.budget import ALLOWANCES, Allowance, Budget, BudgetExceeded, month_of
from domain.generation.provider_key import MAX_KEY_LENGTH, MIN_KEY_LENGTH, ProviderKey
from domain.generation.refusals import NoProviderKey, UnusableProviderKey
from domain.kernel import NotFound, Party
from tests.support.studio import Studio

KEY, OTHER_KEY = "sk-otters-hold-hands-1234", "sk-otters-float-away-9876"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the worker ask again without pauses."""
    monkeypatch.setattr(moderating, "PAUSES", ())


async def save(studio: Studio, key: str = KEY, by: Actor | None = None) -> ProviderKeyView:
    return await studio.ask(SaveProviderKey(team_id=None, key=key), by or studio.ada)


def keys(studio: Studio) -> int:
    """How many keys can still be read."""
    saved = [event for event in studio.store.log if isinstance(event, ProviderKey.Saved)]
    erased = [event for event in studio.store.log if isinstance(event, ProviderKey.Erased)]
    return len(saved) - len(erased)


async def test_a_key_is_tried_saved_and_shown_by_its_end_only() -> None:
    studio = await Studio().open()
    with capture_logs() as logs:
        saved = await save(studio, f" {KEY}\n")
    assert studio.key_trial.tried == [KEY]
    assert saved.last_characters == "1234"
    seen = await read_provider_key(studio.store, studio.ada, None, studio.now)
    assert seen == saved
    assert KEY not in repr(seen) + repr(SaveProviderKey(team_id=None, key=KEY)) + str(logs)


async def test_a_key_that_the_provider_refuses_is_not_saved() -> None:
    studio = await Studio().open()
    studio.key_trial.error = KeyRefused("status 401")
    with pytest.raises(UnusableProviderKey, match="The provider refuses this key: copy it again") as caught:
        await save(studio)
    assert KEY not in str(caught.value)
    assert keys(studio) == 0


async def test_a_key_that_cannot_be_tried_is_not_saved() -> None:
    studio = await Studio().open()
    studio.key_trial.error = Unavailable("The provider")
    with pytest.raises(Unavailable):
        await save(studio)
    assert keys(studio) == 0


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x" * (MIN_KEY_LENGTH - 1),
        "x" * (MAX_KEY_LENGTH + 1),
        "sk-otters hold hands",
        "sk-ötters-hold-hands",
        "sk-otters\r\nX-Evil: yes",
    ],
)
async def test_what_is_no_key_is_refused_untried(key: str) -> None:
    studio = await Studio().open()
    with pytest.raises(UnusableProviderKey, match="A key has 20 to 300 characters"):
        await save(studio, key)
    assert studio.key_trial.tried == []


async def test_the_same_key_again_changes_nothing() -> None:
    studio = await Studio().open()
    first, before = await save(studio), len(studio.store.log)
    assert await save(studio) == first
    assert (len(studio.store.log), studio.key_trial.tried) == (before, [KEY])


async def test_another_key_takes_the_place_of_the_first_which_is_erased() -> None:
    studio = await Studio().open()
    first, second = await save(studio), await save(studio, OTHER_KEY)
    seen = await read_provider_key(studio.store, studio.ada, None, studio.now)
    assert (seen.id, seen.last_characters) == (second.id, "9876")
    erased = await studio.store.load(ProviderKey, first.id)
    assert erased is not None
    assert erased.erased
    assert keys(studio) == 1


async def test_a_deleted_key_is_erased_and_a_second_deletion_changes_nothing() -> None:
    studio = await Studio().open()
    await save(studio)
    await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    before = len(studio.store.log)
    await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    assert (keys(studio), len(studio.store.log)) == (0, before)
    with pytest.raises(NoProviderKey):
        await read_provider_key(studio.store, studio.ada, None, studio.now)
    await save(studio)
    assert keys(studio) == 1


async def test_a_text_is_written_with_the_payers_key_and_costs_no_money() -> None:
    studio = await Studio().open()
    await save(studio)
    asked = await studio.ask_for()
    assert (asked.own_key, asked.estimated_micros) == (True, 0)
    await studio.work()
    [prompt] = studio.provider.asked
    assert prompt.key == KEY
    assert KEY not in repr(prompt)
    done = await studio.generation(asked.id)
    assert (done.status, done.cost_micros, done.input_tokens, done.output_tokens) == ("done", 0, 100, 10)
    budget = await studio.budget()
    assert (budget.used_micros, budget.used_tokens, budget.reserved) == (0, 110, {})


async def test_without_a_key_ours_pays() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await studio.work()
    assert studio.provider.asked[0].key is None
    assert not asked.own_key


async def test_where_no_money_is_left_a_key_of_ones_own_still_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(100_000, 0))
    with pytest.raises(BudgetExceeded):
        await studio.ask_for()
    await save(studio)
    asked = await studio.ask_for()
    await studio.work()
    assert (await studio.generation(asked.id)).status == "done"


async def test_tokens_count_with_a_key_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    await save(studio)
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(500, 1_000_000))
    with pytest.raises(BudgetExceeded):
        await studio.ask_for()


async def test_a_text_that_was_asked_for_before_the_key_is_paid_by_us() -> None:
    studio = await Studio().open()
    asked = await studio.ask_for()
    await save(studio)
    await studio.work()
    assert studio.provider.asked[0].key is None
    assert (await studio.generation(asked.id)).cost_micros == 120


async def test_a_replaced_key_writes_what_waits() -> None:
    studio = await Studio().open()
    await save(studio)
    await studio.ask_for()
    await save(studio, OTHER_KEY)
    await studio.work()
    assert studio.provider.asked[0].key == OTHER_KEY


async def test_without_its_key_a_text_is_not_written_at_our_cost() -> None:
    studio = await Studio().open()
    await save(studio)
    asked = await studio.ask_for()
    await studio.ask(DeleteProviderKey(team_id=None), studio.ada)
    await studio.work()
    failed = generation_view(await studio.generation(asked.id))
    assert (failed.status, failed.failure, failed.refused) == ("failed", "refused", "own_key")
    assert failed.explanation is not None
    assert "Save another, or none, and ask again" in failed.explanation
    assert (studio.provider.asked, (await studio.budget()).reserved) == ([], {})
    again = await studio.ask(RetryGeneration(id=asked.id), studio.ada)
    assert (again.own_key, again.refused, again.explanation) == (False, None, None)
    await studio.work()
    assert (await studio.generation(asked.id)).cost_micros == 120


@pytest.mark.parametrize(("own", "refused"), [(True, "own_key"), (False, None)])
async def test_a_key_that_the_provider_refuses_later_fails_the_text(own: bool, refused: str | None) -> None:
    studio = await Studio().open()
    if own:
        await save(studio)
    studio.provider.scripts = [[KeyRefused("status 401")]]
    asked = await studio.ask_for()
    await studio.work()
    failed = await studio.generation(asked.id)
    assert (failed.status, failed.failure, failed.refused) == ("failed", "refused", refused)


async def test_a_prompt_that_is_refused_says_nothing_against_the_key() -> None:
    studio = await Studio().open()
    await save(studio)
    studio.provider.scripts = [[PromptRefused("status 400")]]
    asked = await studio.ask_for()
    await studio.work()
    assert (await studio.generation(asked.id)).refused is None


async def test_a_team_pays_with_its_own_key_for_its_documents_only() -> None:
    studio = await Studio().open()
    team_id = await studio.give_to_team()
    await save(studio)
    asked = await studio.ask_for()
    await studio.work()
    assert (asked.own_key, studio.provider.asked[-1].key) == (False, None)
    await studio.ask(SaveProviderKey(team_id=team_id, key=OTHER_KEY), studio.ada)
    asked = await studio.ask_for()
    studio.provider.scripts = [["Herons.", AnswerEnd("complete", Usage(100, 10))]]
    await studio.work()
    assert (asked.own_key, studio.provider.asked[-1].key) == (True, OTHER_KEY)
    budget = await studio.store.load(Budget, Budget.id_of(Party("team", team_id), month_of(studio.now)))
    assert budget is not None
    assert budget.used_micros == 120


async def test_only_admins_of_a_team_see_and_change_its_key() -> None:
    studio = await Studio().open()
    team = await studio.ask(FoundTeam(name="Lab", slug="lab"), studio.ada)
    bob = await studio.actor("bob@example.org")
    await studio.ask(SaveProviderKey(team_id=team.id, key=KEY), studio.ada)
    with pytest.raises(NotFound):
        await studio.ask(SaveProviderKey(team_id=team.id, key=OTHER_KEY), bob)
    with pytest.raises(NotFound):
        await studio.ask(DeleteProviderKey(team_id=team.id), bob)
    with pytest.raises(NotFound):
        await read_provider_key(studio.store, bob, team.id, studio.now)
    assert (await read_provider_key(studio.store, studio.ada, team.id, studio.now)).last_characters == "1234"


async def test_a_key_is_erased_with_its_owner() -> None:
    studio = await Studio().open()
    team = await studio.ask(FoundTeam(name="Lab", slug="lab"), studio.ada)
    await save(studio)
    await studio.ask(SaveProviderKey(team_id=team.id, key=OTHER_KEY), studio.ada)
    assert keys(studio) == 2
    await studio.ask(EraseTeam(id=team.id))
    assert keys(studio) == 1
    assert await used_key(studio.store, Party("team", team.id)) is None
    await studio.ask(EraseUser(id=studio.ada.user_id))
    assert keys(studio) == 0
    assert await used_key(studio.store, Party("user", studio.ada.user_id)) is None


async def test_a_key_is_in_no_event_but_its_own() -> None:
    studio = await Studio().open()
    await save(studio)
    await studio.ask_for()
    await studio.work()
    holding = [type(event) for event in studio.store.log if KEY in str(vars(event))]
    assert holding == [ProviderKey.Saved]
