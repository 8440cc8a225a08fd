"""Reports stored things that are not what was written: a metric to alarm on, and a log line without content."""

from uuid import UUID

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

damage = Counter("palimpsest_damage", "Stored things found changed, moved or forged", ["kind"])


def report_damage(kind: str, stream_id: UUID, version: int, reason: str) -> None:
    """Count a damaged thing and log where it is. `reason`: the message of the `Damage`."""
    damage.labels(kind).inc()
    log.error("stored bytes are damaged", kind=kind, stream_id=str(stream_id), version=version, reason=reason)
