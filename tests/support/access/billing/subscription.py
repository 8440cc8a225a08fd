"""Access to subscriptions."""

from tests.support.access.kernel import CASES, Case

CASES += [Case("get_subscription"), Case("get_usage"), Case("get_statement")]
