"""Access to subscriptions."""

from domain.access import SUBSCRIPTION
from tests.support.access.kernel import CASES, Case

CASES += [Case("get_subscription", SUBSCRIPTION, "read")]
