"""Policy: who pays gets a mail when 50, 80 and 100 percent of the month's budget are used, or a text was refused.

Once each, and once more after the allowance was raised.
"""

from collections.abc import Iterable

from application.billing.notices import TellOfBudget
from application.policy import Reaction, policy
from domain.billing.budget import Budget


@policy()
def tell_of_budgets(event: Budget.NoticeReached) -> Iterable[Reaction]:
    yield TellOfBudget(
        budget_id=event.originator_id, percent=event.percent, due=event.timestamp, version=event.originator_version
    )
