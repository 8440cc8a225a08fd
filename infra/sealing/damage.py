"""Damage: stored bytes that are not what was written there. It is counted and logged wherever it is found."""

import structlog
from prometheus_client import Counter

log = structlog.get_logger(__name__)

damage_counter = Counter(
    "palimpsest_damage", "Stored things that were changed since they were written, each time one is read", ["kind"]
)


def report_damage(kind: str, **place: object) -> None:
    """Count and log a damaged thing (event, record, snapshot, answer, key), and its place. Say nothing of its content.

    An event is one in the log, a record one in Kafka.
    """
    damage_counter.labels(kind).inc()
    log.error("stored bytes are damaged", kind=kind, **place)
