"""Access of auditors."""

from tests.support.access.kernel import CASES, Case

CASES += [
    Case("audit_user_history"),
    Case("audit_state"),
    Case("audit_difference", query={"before": "1", "after": "1"}),
    Case("audit_events", query={"limit": "2"}),
    Case("audit_request", states={"auditor": 404}),
]
