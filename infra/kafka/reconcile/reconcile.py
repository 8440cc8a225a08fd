"""Proves that the topics hold what the store holds: nothing missing, nothing more, in the same order."""

import asyncio
from collections.abc import Sequence
from contextlib import closing
from uuid import UUID

from adapters.integration_events.cloudevents import CloudEvents, load_contract
from adapters.integration_events.kernel import STATES
from application.ports import EventStore, Unavailable
from domain.kernel import Root
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.connect import open_consumer
from infra.kafka.client.topics import AGGREGATES, Topics
from infra.kafka.reconcile.differences import ExpectedTopic, Report
from infra.kafka.reconcile.event_comparison import EventComparison
from infra.kafka.reconcile.expected_topics import PrivateTopic, PublicTopic
from infra.kafka.reconcile.state_comparison import FindClosed, StateComparison, StateTopic
from infra.kafka.relay.topic_setup import connect
from infra.progress import Progress
from infra.sealing.store_keys import StoreKeys

STATEMENT_TIMEOUT = "10min"
"""One statement finds the newest versions of all streams."""


def reconcile(
    url: str,
    kafka: ClientConfig,
    topics: Topics,
    stamps: StoreKeys,
    find_closed: FindClosed,
    *,
    first: int = 1,
    last: int | None = None,
    timeout: float = 0.0,
    progress: Progress = lambda done, goal: None,
) -> Report:
    """Compare all topics with the log from position `first` to `last`; without `last`, to the end of both.

    The compacted topics hold current states, so they are compared only without `last`. `timeout`: seconds to wait for a
    record after it is found missing. `find_closed`: the function of this name, for the store.

    Raises:
        Unavailable, kafka.errors.KafkaError: Kafka does not answer.
        psycopg.OperationalError: the database does not answer.
    """
    load_contract()
    expected: list[ExpectedTopic] = [PrivateTopic(topics.internal)]
    expected += [PublicTopic(topics.public(aggregate), aggregate, stamps) for aggregate in AGGREGATES]
    with connect(url) as store, closing(open_consumer(kafka)) as consumer:
        store.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}'".encode())
        comparison = EventComparison(
            store, consumer, expected, topics.partitions, first=first, last=last, timeout=timeout
        )
        report = comparison.run(progress)
        for root in STATES if last is None else ():
            if report.ok:
                topic = StateTopic(topics.state(str(root.TOPIC)), root)  # type: ignore[attr-defined]
                states = StateComparison(store, consumer, topic, topics.partitions, find_closed, timeout)
                report.difference = states.run()
                report.counts[topic.topic] = states.count
    return report


async def find_closed(store: EventStore, kind: type[Root], ids: Sequence[UUID]) -> set[UUID]:
    """The aggregates among `ids` without a public state: they are closed or erased.

    One that cannot be read is not among them, so its missing record is reported.

    Raises:
        Unavailable: the database does not answer.
    """
    contract = CloudEvents()
    roots = await asyncio.gather(*(store.load(kind, id) for id in ids), return_exceptions=True)
    closed = set()
    for id, root in zip(ids, roots, strict=True):
        if isinstance(root, Unavailable) or not isinstance(root, Root | Exception | None):
            raise root
        if root is None or (isinstance(root, Root) and contract.public_state(root) is None):
            closed.add(id)
    return closed
