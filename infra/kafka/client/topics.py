"""The topics: their names, their settings, and how many partitions they have."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from infra.errors import SetupError

AGGREGATES = ("user", "document", "subscription", "team")

LARGEST_RECORD = 16 * 1024 * 1024
"""Bytes. A document's text, sealed, has four million."""

_EVENTS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_STATES = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.2", "delete.retention.ms": "604800000"}


class WrongPartitions(SetupError):
    """A topic has another number of partitions than its streams were spread over."""


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of an installation, named after its `prefix`."""

    prefix: str = "palimpsest"
    partitions: int = 8
    replication: int = 1

    @property
    def internal(self) -> str:
        """The private topic."""
        return f"{self.prefix}.internal.events.v1"

    def public(self, aggregate: str) -> str:
        """The topic of an aggregate's public events."""
        return f"{self.prefix}.{aggregate}.v1"

    def state(self, aggregate: str) -> str:
        """The compacted topic of an aggregate's public state."""
        return f"{self.prefix}.{aggregate}.state.v1"

    def events(self) -> list[str]:
        """All topics of events, the private one first."""
        return [self.internal, *(self.public(aggregate) for aggregate in AGGREGATES)]

    def states(self) -> list[str]:
        """All compacted topics."""
        return [self.state(aggregate) for aggregate in AGGREGATES]

    def settings(self, topic: str) -> dict[str, str]:
        """What a topic is set to when it is made."""
        own = _STATES if topic in self.states() else _EVENTS
        safe = max(1, self.replication - 1)
        return {**own, "min.insync.replicas": str(safe), "max.message.bytes": str(LARGEST_RECORD)}


def make_missing(admin: Any, topics: Topics, wanted: Iterable[str]) -> list[str]:
    """Make those topics that are not there, through kafka-python's admin client. Answers which they were.

    Raises:
        kafka.errors.KafkaError: the broker does not answer, or refuses.
    """
    there = set(admin.list_topics())
    missing = [name for name in wanted if name not in there]
    if missing:
        plans = {
            name: {
                "num_partitions": topics.partitions,
                "replication_factor": topics.replication,
                "configs": topics.settings(name),
            }
            for name in missing
        }
        admin.create_topics(plans, wait_for_metadata=True)
    return missing


def require_partitions(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Both by topic. Another partition count would give streams a second home, and their order would be lost.

    Raises:
        WrongPartitions: a topic has another number than expected.
    """
    for topic, count in expected.items():
        if found.get(topic, count) != count:
            raise WrongPartitions(
                f"The topic {topic} has {found[topic]} partitions, and its streams are spread over {count}. "
                f"Set PALIMPSEST_KAFKA_PARTITIONS={found[topic]} if it is new; otherwise restore the topic, or take "
                "another PALIMPSEST_KAFKA_PREFIX, under which everything is published anew."
            )
