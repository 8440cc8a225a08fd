"""The status of the topics: their records, and how far they are behind the store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import ConfigResource
from kafka.errors import AuthorizationError

from adapters.integration_events.cloudevents import load_contract
from adapters.integration_events.kernel import EVENTS, PRIVATE
from infra.kafka.client.ordered_reader import beginning_offsets, end_offsets, partitions_of
from infra.kafka.client.topics import Topics
from infra.kafka.relay.checkpoints import UNREACHABLE_OFFSET, read_ends

BEHIND = "SELECT count(*) FROM stored_events WHERE notification_id > %s AND (%s OR topic = ANY(%s))"
STREAMS_BEHIND = BEHIND.replace("count(*)", "count(DISTINCT originator_id)")
RETENTION = ("cleanup.policy", "retention.ms", "retention.bytes")


@dataclass(frozen=True, slots=True)
class TopicStatus:
    """The status of a topic. `behind`: events that the topic lacks, or streams if it is compacted; None: unknown."""

    topic: str
    partitions: int
    records: int
    position: int
    behind: int | None
    retention: str


def topic_statuses(
    consumer: KafkaConsumer, admin: KafkaAdminClient, topics: Topics, store: psycopg.Connection[Any] | None
) -> list[TopicStatus]:
    """The status of each topic, the private one first. `store`: None leaves `behind` out.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    kinds, retention = _kinds(topics), _retention(admin, [*topics.events(), *topics.states()])
    return [_status(consumer, topic, kinds.get(topic), retention, store) for topic in retention]


def _status(
    consumer: KafkaConsumer,
    topic: str,
    kinds: Sequence[str] | None,
    retention: Mapping[str, str],
    store: psycopg.Connection[Any] | None,
) -> TopicStatus:
    partitions = partitions_of(consumer, [topic])
    begins, stops = beginning_offsets(consumer, partitions), end_offsets(consumer, partitions)
    # No log bounds the positions here, since the store may be absent.
    ends, _ = read_ends(consumer, partitions, {}, lambda: UNREACHABLE_OFFSET)
    position = max((end.last for end in ends.values()), default=0)
    return TopicStatus(
        topic,
        len(partitions),
        sum(stops[each] - begins[each] for each in partitions),
        position,
        None if store is None else _behind(store, topic, kinds, position),
        retention[topic],
    )


def _kinds(topics: Topics) -> dict[str, list[str]]:
    """The topics of the stored events that each public or compacted topic is made from."""
    load_contract()
    found: dict[str, list[str]] = {}
    for source, versions in EVENTS.items():
        aggregate = versions[1][0].aggregate()
        for topic in (topics.public(aggregate), topics.state(aggregate)):
            found.setdefault(topic, []).append(source.TOPIC)  # type: ignore[attr-defined]
    for source in PRIVATE:
        found.setdefault(topics.state(source.root.TOPIC), []).append(source.TOPIC)  # type: ignore[attr-defined]
    return found


def _behind(store: psycopg.Connection[Any], topic: str, kinds: Sequence[str] | None, position: int) -> int:
    query = STREAMS_BEHIND if topic.endswith(".state.v1") else BEHIND
    row = store.execute(query.encode(), [position, kinds is None, kinds or []]).fetchone()
    assert row is not None
    return int(row[0])


def _retention(admin: KafkaAdminClient, topics: Sequence[str]) -> dict[str, str]:
    """The retention of each topic in words."""
    existing = set(admin.list_topics())
    resources = [ConfigResource("TOPIC", topic) for topic in topics if topic in existing]
    try:
        settings = admin.describe_configs(resources, config_filter="all").get("topic", {}) if resources else {}
    except AuthorizationError:
        settings = {}
    return {topic: _retention_of(settings.get(topic)) if topic in existing else "not there" for topic in topics}


def _retention_of(settings: Mapping[str, Mapping[str, str]] | None) -> str:
    if settings is None:
        return "unknown"
    policy, milliseconds, size = (settings[name]["value"] for name in RETENTION)
    if policy == "compact":
        return "newest of each key"
    days = "" if milliseconds == "-1" else f"{int(milliseconds) / 86_400_000:g} days"
    space = "" if size == "-1" else f"{int(size):,} bytes a partition"
    return ", ".join(filter(None, (days, space))) or "everything"
