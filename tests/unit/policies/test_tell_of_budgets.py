"""The policy of mails about budgets."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.billing.notices import TellOfBudget
from application.billing.team_budget import LimitTeamBudget
from application.content.document import ChangeDocument
from application.policies.tell_of_budgets import tell_of_budgets
from application.ports import AnswerEnd, Usage
from application.teams.invitation import AcceptInvitation, InviteMember
from domain.billing.budget import ALLOWANCES, NOTICES, Allowance, Budget, BudgetExceeded, TeamBudgetExceeded
from tests.support.given import ID, NOW
from tests.support.studio import Studio


def test_each_percentage_causes_one_job_with_a_key_of_its_own() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 3, "timestamp": NOW}
    keys = set()
    for percent in NOTICES:
        [job] = tell_of_budgets(Budget.NoticeReached(**values | {"percent": percent}))
        assert job == TellOfBudget(budget_id=ID, percent=percent, due=NOW, version=3)
        assert isinstance(job, TellOfBudget)
        keys.add(job.effect_key)
    assert len(keys) == len(NOTICES)


async def written(studio: Studio, tokens: int) -> list[tuple[str, str]]:
    """Let a text be written that takes so many tokens; return the templates and receivers of the mails."""
    studio.provider.scripts = [["Otters.", AnswerEnd("complete", Usage(tokens, 0))]]
    await studio.ask_for(max_output_tokens=10)
    return sorted((mail.template, mail.to) for mail in await studio.work())


async def test_a_user_gets_one_mail_for_each_percentage_and_month(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(10_000, 1_000_000))
    mails = [await written(studio, tokens) for tokens in (5_000, 10, 3_000, 1_000, 990)]
    ada = "ada@example.org"
    assert mails == [[("budget_50", ada)], [], [("budget_80", ada)], [], [("budget_100", ada)]]
    studio.now += timedelta(days=31)
    assert await written(studio, 5_000) == [("budget_50", ada)]


async def test_owners_and_admins_get_the_mails_of_a_team(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    team_id = await studio.give_to_team()
    for name, role in (("bob", "admin"), ("eve", "editor")):
        actor = await studio.actor(f"{name}@example.org")
        await studio.ask(InviteMember(id=team_id, email=f"{name}@example.org", role=role), studio.ada)  # type: ignore[arg-type]
        await studio.ask(AcceptInvitation(id=team_id), actor)
    await studio.work()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(10_000, 1_000_000))
    assert await written(studio, 5_000) == [
        ("team_budget_50", "ada@example.org"),
        ("team_budget_50", "bob@example.org"),
    ]


async def test_the_first_refusal_brings_the_last_mail_once(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(2_000, 1_000_000))
    mails = []
    for _ in range(3):
        with pytest.raises(BudgetExceeded):
            await studio.ask_for(max_output_tokens=2_000)
        mails.append([mail.template for mail in await studio.work()])
    assert mails == [["budget_100"], [], []]
    assert await written(studio, 1_900) == []


async def test_a_refusal_after_an_upgrade_brings_another_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    keys = set()
    for tokens in (2_000, 3_000):
        monkeypatch.setitem(ALLOWANCES, "free", Allowance(tokens, 1_000_000))
        with pytest.raises(BudgetExceeded):
            await studio.ask_for(max_output_tokens=3_000)
        [mail] = await studio.work()
        assert mail.template == "budget_100"
        keys.add(mail.message_id)
    assert len(keys) == 2


async def test_after_an_upgrade_the_notices_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(10_000, 1_000_000))
    mails = [[template for template, _ in await written(studio, 9_000)]]
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(20_000, 1_000_000))
    mails += [[template for template, _ in await written(studio, tokens)] for tokens in (2_000, 6_000)]
    assert mails == [["budget_80"], ["budget_50"], ["budget_80"]]


async def test_a_refusal_in_the_worker_brings_the_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    studio = await Studio().open()
    monkeypatch.setitem(ALLOWANCES, "free", Allowance(5_000, 1_000_000))
    await studio.ask_for()
    await studio.ask(ChangeDocument(id=studio.document_id, content="x" * 40_000), studio.ada)
    assert [mail.template for mail in await studio.work()] == ["budget_100"]


async def test_what_an_owner_allows_a_member_is_not_the_budget_of_the_team() -> None:
    studio = await Studio().open()
    team_id = await studio.give_to_team()
    await studio.work()
    await studio.ask(LimitTeamBudget(team_id=team_id, user_id=studio.ada.user_id, tokens=100), studio.ada)
    with pytest.raises(TeamBudgetExceeded):
        await studio.ask_for()
    assert await studio.work() == []


async def test_a_budget_that_is_gone_causes_no_mail() -> None:
    studio = await Studio().open()
    await studio.jobs.enqueue(TellOfBudget(budget_id=UUID(int=9), percent=50, due=NOW))
    assert await studio.work() == []
