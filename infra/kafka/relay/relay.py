"""The relay: publishes every event of the log to Kafka, in order and without loss.

An event may be published twice; consumers recognise the repeat by its position. One relay leads, others stand by. After
any failure the leader starts again with a new producer, from the ends of the topics.
"""

from collections.abc import Iterable
from contextlib import closing
from threading import Event
from typing import Any
from uuid import UUID

import psycopg
import structlog
from kafka.errors import KafkaError
from prometheus_client import Gauge

from adapters.integration_events.cloudevents import CloudEvents
from infra.errors import SetupError
from infra.kafka.client.batch_producer import PublishFailed
from infra.kafka.client.config import ClientConfig
from infra.kafka.client.connect import open_producer
from infra.kafka.client.topics import Topics
from infra.kafka.relay.batch_builder import BatchBuilder
from infra.kafka.relay.publish_session import PublishSession
from infra.kafka.relay.session_checkpoints import SessionCheckpoints
from infra.kafka.relay.topic_setup import connect, prepare
from infra.postgres.leader_lease import LeaderLease, NoLongerLeading
from infra.postgres.locks import RELAY_LEADER
from infra.sealing.keyring import Keyring, Keys, StoredKey
from infra.store.event_store import WRAPPED_KEYS
from infra.store.log_rows import APPENDED_CHANNEL

STANDBY_SECONDS = 0.3
RETRY_SECONDS = 1.0

log = structlog.get_logger(__name__)

leading_gauge = Gauge("palimpsest_relay_leading", "1: this relay publishes; 0: it stands by, or cannot")


class Relay:
    """Publishes while it leads.

    `position`: Kafka has acknowledged every event up to it; None: this relay does not know.
    `has_backlog`: the log holds more events than were read.
    """

    def __init__(self, url: str, kafka: ClientConfig, names: Topics, contract: CloudEvents, keyring: Keyring) -> None:
        self.position: int | None = None
        self.has_backlog = False
        self._lease: LeaderLease | None = None
        self._url = url
        self._kafka = kafka
        self._topics = names
        self._contract = contract
        self._keyring = keyring
        self._stopping = Event()

    def stop(self) -> None:
        """Make `run` return soon."""
        self._stopping.set()

    def is_leading(self) -> bool:
        """Whether this relay certainly leads, and publishes."""
        lease = self._lease
        return self.position is not None and lease is not None and lease.held()

    def run(self) -> None:
        """Stand by, lead, and retry while a server is down, until `stop`. Blocks: run it in a thread.

        Raises:
            WrongPartitions: a topic's partition count has changed.
        """
        while not self._stopping.is_set():
            try:
                with LeaderLease(self._url, RELAY_LEADER, self._topics.prefix) as lease:
                    self._lease = lease
                    self._stand_by(lease)
                    self._lead(lease)
            except (psycopg.Error, OSError) as error:
                log.warning("relay without database", error=type(error).__name__)
            self._stopping.wait(RETRY_SECONDS)

    def _stand_by(self, lease: LeaderLease) -> None:
        logged = False
        while not self._stopping.is_set() and not lease.try_take():
            if not logged:
                log.info("another relay leads; standing by")
                logged = True
            self._stopping.wait(STANDBY_SECONDS)

    def _lead(self, lease: LeaderLease) -> None:
        with connect(self._url) as connection:
            connection.execute(f"LISTEN {APPENDED_CHANNEL}")
            while lease.held() and not self._stopping.is_set():
                lease.heartbeat()
                try:
                    self._publish(connection, lease)
                except (SetupError, psycopg.Error):
                    raise
                except NoLongerLeading:
                    log.warning("no longer leading")
                except Exception as error:
                    # A new producer recovers from most errors, whatever they are.
                    log.warning(_failure(error), error=_reason(error))
                    self._stopping.wait(RETRY_SECONDS)
                finally:
                    self.position = None
                    leading_gauge.set(0)

    def _publish(self, connection: psycopg.Connection[Any], lease: LeaderLease) -> None:
        names = self._topics.events()
        ends = prepare(connection, self._kafka, self._topics, names)
        with closing(open_producer(self._kafka, names)) as producer:
            builder = BatchBuilder(
                self._topics,
                ends,
                self._contract,
                lambda ids: self._load_keys(connection, ids),
                self._keyring.stamps,
            )
            session = PublishSession(connection, producer, builder, SessionCheckpoints(connection, ends))
            log.info("publishing", position=session.acknowledged)
            leading_gauge.set(1)
            while lease.held() and not self._stopping.is_set():
                lease.heartbeat()
                session.step(lease)
                self.position, self.has_backlog = session.acknowledged, session.has_backlog
            session.finish(lease)

    def _load_keys(self, connection: psycopg.Connection[Any], subject_ids: Iterable[UUID]) -> Keys:
        cached = [(subject_id, self._keyring.kept(subject_id)) for subject_id in subject_ids]
        missing = [subject_id for subject_id, key in cached if key is None]
        drops = self._keyring.cache.drops
        rows = connection.execute(WRAPPED_KEYS, [missing], binary=True) if missing else ()
        loaded = self._keyring.open([StoredKey(*row) for row in rows], drops)
        return {**{subject_id.int: key for subject_id, key in cached if key is not None}, **loaded}


def _failure(error: Exception) -> str:
    if isinstance(error, KafkaError | PublishFailed | OSError):
        return "Kafka does not accept records; retrying"
    return "publishing failed; starting again"


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, PublishFailed) else type(error).__name__
