"""The peer of the read models: views that the library's `ProjectionRunner` writes, each change with its position."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any, LiteralString

import psycopg
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from eventsourcing.utils import get_topic
from psycopg.sql import SQL

from tests.bench import stock
from tests.bench.stock import Page, Pages
from tests.support.servers import Database

PATIENCE = 120.0
TOPICS = (get_topic(Page.Written), get_topic(Page.Retitled))


class Table(PostgresTrackingRecorder):
    """A table, and the position of what is in it."""

    create: LiteralString

    def __init__(self, datastore: PostgresDatastore, **more: Any) -> None:
        super().__init__(datastore, **more)
        self.sql_create_statements.append(SQL(self.create).format())

    def change(self, query: LiteralString, values: Sequence[Any], tracking: Tracking) -> None:
        """Write a row and the position in one transaction."""
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute(query, values, prepare=True)
            self._insert_tracking(cursor, tracking)


class PageTable(Table):
    """Of the same shape as our table of documents."""

    create = """
    CREATE TABLE IF NOT EXISTS pages (
        id uuid PRIMARY KEY, owner_id uuid NOT NULL, title text NOT NULL, content text NOT NULL, status text NOT NULL,
        version bigint NOT NULL, created_at timestamptz NOT NULL, updated_at timestamptz NOT NULL,
        trashed_at timestamptz, position bigint NOT NULL
    )
    """


class PageDetails(Projection[PageTable]):
    """Pages as they are now."""

    name = "pages"
    topics = TOPICS

    @singledispatchmethod
    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event."""

    @process_event.register
    def _(self, event: Page.Written, tracking: Tracking) -> None:
        page = (event.originator_id, event.owner_id, event.title, event.content, "draft", event.originator_version)
        times = (event.timestamp, event.timestamp, None)
        query = "INSERT INTO pages VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
        self.view.change(query, (*page, *times, tracking.notification_id), tracking)

    @process_event.register
    def _(self, event: Page.Retitled, tracking: Tracking) -> None:
        query = "UPDATE pages SET title = %s, version = %s, updated_at = %s, position = %s WHERE id = %s"
        values = (event.title, event.originator_version, event.timestamp, tracking.notification_id)
        self.view.change(query, (*values, event.originator_id), tracking)


class VersionTable(Table):
    """Of the same shape as our table of versions."""

    create = """
    CREATE TABLE IF NOT EXISTS page_versions (
        page_id uuid NOT NULL, version bigint NOT NULL, title text, content_changed boolean NOT NULL, status text,
        restored_version bigint, author_id uuid, at timestamptz NOT NULL, position bigint NOT NULL,
        PRIMARY KEY (page_id, version)
    )
    """


class PageVersions(Projection[VersionTable]):
    """What became of pages, step by step."""

    name = "page_versions"
    topics = TOPICS

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        """One event."""
        version = (domain_event.originator_id, domain_event.originator_version, domain_event.title)
        query = "INSERT INTO page_versions VALUES (%s, %s, %s, FALSE, NULL, NULL, NULL, %s, %s)"
        self.view.change(query, (*version, domain_event.timestamp, tracking.notification_id), tracking)


def run(database: Database, projection: type[Projection[Any]], view: type[Table], head: int) -> float:
    """Events a second, from an empty table to `head`, the end of the log."""
    with _runner(database, projection, view):
        pass  # the first one makes the tables
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {projection.name}".encode())
        connection.execute(f"DELETE FROM {projection.name}_tracking WHERE application_name = 'Pages'".encode())
    started = perf_counter()
    with _runner(database, projection, view) as runner:
        runner.wait(head, timeout=PATIENCE)
        return head / (perf_counter() - started)


def _runner(database: Database, projection: type[Projection[Any]], view: type[Table]) -> ProjectionRunner[Pages, Any]:
    environment = stock.environment(database, POSTGRES_POOL_SIZE="2")
    return ProjectionRunner(application_class=Pages, projection_class=projection, view_class=view, env=environment)
