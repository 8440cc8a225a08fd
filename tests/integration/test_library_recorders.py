"""The library's own recorder suites, run on our tables and our append function."""

from collections.abc import Iterator

import pytest
from eventsourcing.persistence import ApplicationRecorder
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)
from psycopg_pool import ConnectionPool

from infra.store.recorder import Pool, Recorder, SnapshotRecorder
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


class TestRecorder(OnOurTables, ApplicationRecorderTestCase[Recorder]):
    def create_recorder(self) -> Recorder:
        return Recorder(self.pool)

    def test_insert_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestRecorderKeepsOneInsertTogether(OnOurTables, NonInterleavingNotificationIDsBaseCase):
    insert_num = 1000

    def create_recorder(self) -> ApplicationRecorder:
        return Recorder(self.pool)
