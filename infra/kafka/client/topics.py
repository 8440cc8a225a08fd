"""The topics: their names, their configuration, and the partition of each stream."""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from infra.errors import SetupError
from infra.kafka.client.aggregates import domain_aggregates

AGGREGATES = domain_aggregates()

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""The sealed text of a document takes up to four million bytes."""

_EVENTS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
_STATES = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.2", "delete.retention.ms": "604800000"}
_WORDS = struct.Struct("<9i")


class WrongPartitions(SetupError):
    """A topic's partition count differs from the count that its streams were distributed over."""


@dataclass(frozen=True, slots=True)
class Topics:
    """All topics of an installation. `prefix`: the first part of their names."""

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

    def config(self, topic: str) -> dict[str, str]:
        """The configuration with which a topic is created."""
        retention = _STATES if topic in self.states() else _EVENTS
        replicas = max(1, self.replication - 1)
        return {**retention, "min.insync.replicas": str(replicas), "max.message.bytes": str(MAX_RECORD_BYTES)}


def create_missing(admin: Any, topics: Topics, names: Iterable[str]) -> list[str]:
    """Create the topics in `names` that do not exist, with kafka-python's admin client. Returns their names.

    Raises:
        kafka.errors.KafkaError: the broker does not answer, or refuses.
    """
    existing = set(admin.list_topics())
    missing = [name for name in names if name not in existing]
    if missing:
        new_topics = {
            name: {
                "num_partitions": topics.partitions,
                "replication_factor": topics.replication,
                "configs": topics.config(name),
            }
            for name in missing
        }
        admin.create_topics(new_topics, wait_for_metadata=True)
    return missing


def require_partitions(found: Mapping[str, int], expected: Mapping[str, int]) -> None:
    """Compare partition counts by topic. With another count a stream's later events would go to another partition, and
    their order would be lost.

    Raises:
        WrongPartitions: a topic's count is not the expected one.
    """
    for topic, count in expected.items():
        if found.get(topic, count) != count:
            raise WrongPartitions(
                f"The topic {topic} has {found[topic]} partitions, but its streams are spread over {count}. "
                f"Set PALIMPSEST_KAFKA_PARTITIONS={found[topic]} if it is new; otherwise restore the topic, or take "
                "another PALIMPSEST_KAFKA_PREFIX, under which all events are published again."
            )


@lru_cache(maxsize=200_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a stream, given its key (36 bytes): what Kafka's own clients choose for it.

    MurmurHash2 as in `org.apache.kafka.common.utils.Utils`, of nine words and no rest.
    """
    value = 0x9747B28C ^ 36
    for word in _WORDS.unpack(key):
        mixed = (word * 0x5BD1E995) & 0xFFFFFFFF
        mixed = ((mixed ^ (mixed >> 24)) * 0x5BD1E995) & 0xFFFFFFFF
        value = ((value * 0x5BD1E995) & 0xFFFFFFFF) ^ mixed
    value = ((value ^ (value >> 13)) * 0x5BD1E995) & 0xFFFFFFFF
    return ((value ^ (value >> 15)) & 0x7FFFFFFF) % partitions
