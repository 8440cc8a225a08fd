"""Access of auditors."""

from tests.support.access.kernel import CASES, Case

CASES += [Case("audit_user_history")]
