"""Integration events of audit reads: none."""

from adapters.integration_events.kernel import keep_private
from domain.audit.audit_read import AuditRead

keep_private(AuditRead.HistoryRead, "What auditors look at would show where they suspect something.")
