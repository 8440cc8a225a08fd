"""The recorder suites of the eventsourcing library, run on our tables and our append function."""

from collections.abc import Iterator
from threading import Event, Timer
from uuid import uuid4

import pytest
from eventsourcing.persistence import ApplicationRecorder, StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)
from psycopg_pool import ConnectionPool

from infra.store.recorder import Pool, PostgresRecorder, SnapshotRecorder, _Subscription
from tests.support.servers import Database


class OnOurTables:
    """Gives each case a fresh, migrated database and the application's own rights in it."""

    pool: Pool

    @pytest.fixture(autouse=True)
    def _pool(self, database: Database) -> Iterator[None]:
        with ConnectionPool(database.app_url, min_size=1, max_size=20) as type(self).pool:
            yield


class TestSnapshotRecorder(OnOurTables, AggregateRecorderTestCase):
    def create_recorder(self) -> SnapshotRecorder:
        return SnapshotRecorder(self.pool)


class TestRecorder(OnOurTables, ApplicationRecorderTestCase[PostgresRecorder]):
    def create_recorder(self) -> PostgresRecorder:
        return PostgresRecorder(self.pool)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestRecorderKeepsOneInsertTogether(OnOurTables, NonInterleavingNotificationIDsBaseCase):
    insert_num = 1000

    def create_recorder(self) -> ApplicationRecorder:
        return PostgresRecorder(self.pool)


def test_what_is_appended_before_a_subscription_listens_is_not_missed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_listen, listen = Event(), _Subscription._listen

    def late(subscription: _Subscription) -> None:
        may_listen.wait()
        listen(subscription)

    def event() -> StoredEvent:
        return StoredEvent(uuid4(), 1, "topic", b"state")

    monkeypatch.setattr(_Subscription, "_listen", late)
    with ConnectionPool(database.app_url, min_size=1, max_size=5) as pool:
        recorder = PostgresRecorder(pool)
        recorder.insert_events([event()])
        with recorder.subscribe() as subscription:
            # Its first look at the log is over with the first event; the next one it must hear of.
            assert next(subscription).id == 1
            recorder.insert_events([event()])
            may_listen.set()
            patience = Timer(5, subscription.stop)
            patience.start()
            assert next(subscription, None) is not None
            patience.cancel()
