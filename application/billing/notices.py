"""Job: who pays gets a mail when so much of the month's budget is used."""

from collections.abc import Mapping
from typing import ClassVar
from uuid import UUID

from application.jobs import performs
from application.notices import NoticeMail, NoticeTemplate
from application.ports import EventStore, JobQueue
from application.request_notices import TellJob, answering
from domain.billing.budget import Budget
from domain.kernel import PartyKind

TEMPLATES: Mapping[tuple[PartyKind, int], NoticeTemplate] = {
    ("user", 50): "budget_50",
    ("user", 80): "budget_80",
    ("user", 100): "budget_100",
    ("team", 50): "team_budget_50",
    ("team", 80): "team_budget_80",
    ("team", 100): "team_budget_100",
}
"""By payer, and by the percentage that is used."""


class TellOfBudget(TellJob, frozen=True, kw_only=True):
    """Tell the user, or the owners and admins of the team, that so much percent of their budget is used.

    `version`: of the budget then; jobs that were kept before have none.
    """

    kind: ClassVar[str] = "tell_of_budget"

    budget_id: UUID
    percent: int
    version: int | None = None

    @property
    def effect_key(self) -> str:
        """Part of the keys of the mails that it causes: one for each notice of a month."""
        last = "" if self.version is None else f".{self.version}"
        return f"{self.budget_id.hex}.{self.percent}{last}"


@performs
async def tell_of_budget(job: TellOfBudget, events: EventStore, queue: JobQueue) -> None:
    budget = await events.load(Budget, job.budget_id)
    if budget is None:
        return
    template = TEMPLATES[budget.payer_kind, job.percent]
    for user_id in await answering(budget.payer, events):
        await queue.enqueue(
            NoticeMail(template=template, user_id=user_id, about_id=budget.payer_id, cause=job.effect_key)
        )
