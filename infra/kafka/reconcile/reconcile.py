"""Proves that the topics say what the store says: nothing missing, nothing more, in the same order."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from uuid import UUID

from adapters.integration_events.cloudevents import CloudEvents, load_contract
from adapters.integration_events.kernel import STATES
from application.ports import EventStore
from domain.kernel import Root
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.reconcile.differences import ExpectedTopic, Report
from infra.kafka.reconcile.event_comparison import EventComparison, Progress
from infra.kafka.reconcile.expected_topics import PrivateTopic, PublicTopic
from infra.kafka.reconcile.state_comparison import Gone, StateComparison, StateTopic
from infra.kafka.relay.topic_setup import Settings, connect, consumer_of

STATEMENT_TIMEOUT = "10min"
"""The newest versions of all streams are found in one statement."""


def reconcile(
    url: str,
    kafka: Settings,
    topics: Topics,
    gone: Gone,
    *,
    first: int = 1,
    last: int | None = None,
    patience: float = 0.0,
    progress: Progress = lambda done, goal: None,
) -> Report:
    """Compare all topics with the log from position `first` to `last`; without `last`, to the end of both.

    The compacted topics say what is now, so they are compared only if the log is compared to its end. What the
    topics lack is waited for, `patience` seconds from when it is found lacking. `gone`: see `who_is_gone`.

    Raises:
        Unavailable, kafka.errors.KafkaError: Kafka does not answer.
        psycopg.OperationalError: the database does not.
    """
    load_contract()
    watched: list[ExpectedTopic] = [PrivateTopic(topics.internal)]
    watched += [PublicTopic(topics.public(aggregate), aggregate) for aggregate in AGGREGATES]
    with connect(url) as store, closing(consumer_of(kafka)) as consumer:
        store.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'".encode())
        comparison = EventComparison(
            store, consumer, watched, topics.partitions, first=first, last=last, patience=patience
        )
        report = comparison.run(progress)
        for root in STATES if last is None else ():
            if report.ok:
                topic = StateTopic(topics.state(str(root.TOPIC)), root)  # type: ignore[attr-defined]
                states = StateComparison(store, consumer, topic, topics.partitions, gone, patience)
                report.difference = states.run()
                report.counts[topic.topic] = states.count
    return report


async def who_is_gone(store: EventStore, kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
    """Which of the aggregates nothing is published of any more: they are closed, or erased, for good."""
    contract = CloudEvents()
    found = await asyncio.gather(*(store.load(kind, id) for id in ids))
    states = [None if root is None else contract.public_state(root) for root in found]
    return {id for id, state in zip(ids, states, strict=True) if state is None}
