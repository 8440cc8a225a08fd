"""The policy of mails about budgets."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from application.billing.notices import TellOfBudget
from application.policies.tell_of_budgets import tell_of_budgets
from application.ports import AnswerEnd, Usage
from application.teams.invitation import AcceptInvitation, InviteMember
from domain.billing.budget import ALLOWANCES, NOTICES, Allowance, Budget
from tests.support.given import ID, NOW
from tests.support.studio import Studio


def test_each_percentage_causes_one_job_with_a_key_of_its_own() -> None:
    values: dict[str, Any] = {"originator_id": ID, "originator_version": 3, "timestamp": NOW}
    keys = set()
    for percent in NOTICES:
        [job] = tell_of_budgets(Budget.NoticeReached(**values | {"percent": percent}))
        assert job == TellOfBudget(budget_id=ID, percent=percent, due=NOW)
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


async def test_a_budget_that_is_gone_causes_no_mail() -> None:
    studio = await Studio().open()
    await studio.jobs.enqueue(TellOfBudget(budget_id=UUID(int=9), percent=50, due=NOW))
    assert await studio.work() == []
