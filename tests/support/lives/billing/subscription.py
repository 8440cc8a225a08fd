"""The life of a subscription."""

from uuid import UUID

from domain.billing.subscription import Subscription
from domain.kernel import Party
from tests.support.given import NOW
from tests.support.lives.kernel import ADA, LATER, life


@life
def subscription() -> Subscription:
    """Started, used, paid for, cancelled."""
    subscription = Subscription.start(payer=Party("user", ADA.user_id), now=NOW)
    for number in (10, 11):
        subscription.use(UUID(int=number), now=LATER)
    subscription.release(UUID(int=10), now=LATER)
    subscription.change_plan("pro", now=LATER)
    subscription.cancel(now=LATER)
    return subscription
