"""The port to the log for auditors."""

from infra.audit.trail import PostgresAuditTrail
from infra.bootstrap.write_side import WriteSide
from infra.store.sealed_loading import SealedLoader

MAX_EVENTS = 100_000
"""The most events that a request replays for one state."""


def open_audit_trail(core: WriteSide, max_events: int = MAX_EVENTS) -> PostgresAuditTrail:
    """The log for auditors, read over the connections of the write side."""
    return PostgresAuditTrail(core.pool, core.keyring, SealedLoader(core.reader, core.keyring.stamps), max_events)
