"""Proves that the topics say what the store says: nothing missing, nothing more, in the same order."""

from collections.abc import Callable
from contextlib import closing
from time import monotonic

from kafka import KafkaConsumer

from adapters.stream.kernel import STATES
from adapters.stream.records import load_contract
from infra.kafka.comparison import Comparison, Connection, Progress
from infra.kafka.differences import Report, Watched
from infra.kafka.states import Gone, StateComparison, StateTopic
from infra.kafka.topics import AGGREGATES, Topics
from infra.kafka.watched import PrivateTopic, PublicTopic


def reconcile(
    store: Connection,
    open_consumer: Callable[[], KafkaConsumer],
    topics: Topics,
    gone: Gone,
    *,
    first: int = 1,
    last: int | None = None,
    patience: float = 0.0,
    progress: Progress = lambda done, goal: None,
) -> Report:
    """Compare all topics with the log from position `first` to `last`; without `last`, to the end of both.

    The compacted topics say what is now, so they are compared only if the log is compared to its end. `store` must be
    in autocommit mode. What is not in the topics yet is waited for, `patience` seconds in all.

    Raises:
        Unavailable, kafka.errors.KafkaError: Kafka does not answer.
        psycopg.OperationalError: the database does not.
    """
    load_contract()
    deadline = monotonic() + patience
    watched: list[Watched] = [PrivateTopic(topics.internal)]
    watched += [PublicTopic(topics.public(aggregate), aggregate) for aggregate in AGGREGATES]
    with closing(open_consumer()) as consumer:
        comparison = Comparison(store, consumer, watched, topics.partitions, first=first, last=last, deadline=deadline)
        report = comparison.run(progress)
        for root in STATES if report.ok and last is None else ():
            topic = StateTopic(topics.state(str(root.TOPIC)), root)  # type: ignore[attr-defined]
            states = StateComparison(store, consumer, topic, topics.partitions, gone, deadline)
            report.difference = report.difference or states.run()
            report.counts[topic.topic] = states.count
    return report
