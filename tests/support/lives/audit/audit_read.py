"""The life of an audit read: it is recorded."""

from domain.audit.audit_read import AuditRead
from tests.support.given import ID, NOW
from tests.support.lives.kernel import ADA, BOB, life


@life
def audit_read() -> AuditRead:
    """Recorded."""
    return AuditRead.record(
        id=ID,
        auditor_id=BOB.user_id,
        operation="audit_user_history",
        topic="user",
        aggregate_id=ADA.user_id,
        filters={"type": "password_changed"},
        user_ids=[ADA.user_id],
        team_ids=[],
        now=NOW,
    )
