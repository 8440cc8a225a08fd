"""Lines for a SIEM, as JSON without personal fields: of an event its circumstances, and entries of the security log.

README.md describes the form.

Ids are of users and things, whose names and texts are sealed and stay here.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.utils import get_topic

from application.ports import Undecodable
from domain.audit.audit_read import AuditRead
from infra.sealing.store_keys import StoreKeys
from infra.store.log_rows import LogRow, read_in_clear

SHOWN = {get_topic(AuditRead.HistoryRead): ("operation", "topic", "aggregate_id", "filters", "user_ids", "team_ids")}
"""The fields of events that lines have, by type: what auditors have read, and of whom."""


SecurityRow = tuple[Any, ...]


class SiemLine(msgspec.Struct, omit_defaults=True):
    """One line. `error`: why the event cannot be read; its circumstances are missing then."""

    position: int
    recorded_at: datetime
    type: str
    stream_id: UUID
    version: int
    event_id: UUID | None = None
    tenant_kind: str | None = None
    tenant_id: UUID | None = None
    actor_id: UUID | None = None
    on_behalf_of: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None
    data: dict[str, Any] | None = None
    error: str | None = None


class SecurityLine(msgspec.Struct, omit_defaults=True):
    """One entry of the security log, without the client, whose address and program are personal."""

    security_number: int
    at: datetime
    id: UUID
    action: str
    outcome: str
    request_id: UUID
    count: int
    user_id: UUID | None = None
    session_id: UUID | None = None
    reason: str | None = None


def security_line_of(row: SecurityRow) -> bytes:
    """Return the line of an entry, with its end. `row`: in the order of the fields of `SecurityLine`."""
    return msgspec.json.encode(SecurityLine(*row)) + b"\n"


def line_of(row: LogRow, stamps: StoreKeys) -> bytes:
    """Return the line of a row of the log, with its end. A damaged event has a line, too: a gap would hide it."""
    position, stream_id, version, topic, _, recorded_at = row
    line = SiemLine(position, recorded_at, topic, stream_id, version)
    decoded = read_in_clear(row, stamps, lambda partly, metadata: (partly[1], metadata))
    if isinstance(decoded, Undecodable):
        line.error = decoded.error
        return msgspec.json.encode(line) + b"\n"
    state, found = decoded
    line.event_id, line.tenant_kind, line.tenant_id = found.event_id, found.tenant.kind, found.tenant.id
    line.actor_id, line.on_behalf_of = found.actor_id, found.on_behalf_of
    line.correlation_id, line.causation_id = found.correlation_id, found.causation_id
    line.traceparent = found.traceparent
    if topic in SHOWN:
        line.data = {name: state[name] for name in SHOWN[topic] if name in state}
    return msgspec.json.encode(line) + b"\n"
