"""Implements the recorder interfaces of the `eventsourcing` library on our tables, so that its tools work on our log.

Our own processes do not use them: they use the group commit and the asynchronous store.
"""

from collections.abc import Sequence
from threading import Thread
from typing import Any
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    IntegrityError,
    ListenNotifySubscription,
    Notification,
    StoredEvent,
    Subscription,
)
from psycopg import sql
from psycopg_pool import ConnectionPool

from infra.postgres.arrays import register
from infra.store.append_batch import APPEND, AppendRequest, NewEvent, encode_parameters
from infra.store.log_rows import APPENDED_CHANNEL, LIBRARY_COLUMNS

RecorderPool = ConnectionPool[psycopg.Connection[tuple[Any, ...]]]

NOTIFICATIONS = f"SELECT {LIBRARY_COLUMNS} FROM stored_events"  # noqa: S608


def _select(
    pool: RecorderPool,
    table: str,
    originator_id: UUID | str,
    gt: int | None,
    lte: int | None,
    desc: bool,
    limit: int | None,
) -> list[StoredEvent]:
    query = sql.SQL(
        "SELECT originator_id, originator_version, topic, state FROM {table}"
        " WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s"
        " ORDER BY originator_version {direction} LIMIT %s"
    ).format(table=sql.Identifier(table), direction=sql.SQL("DESC" if desc else "ASC"))
    low, high = -(2**62) if gt is None else gt, 2**62 if lte is None else lte
    with pool.connection() as connection, connection.cursor(binary=True) as cursor:
        return [StoredEvent(*row) for row in cursor.execute(query, [originator_id, low, high, limit])]


class SnapshotRecorder(AggregateRecorder):
    """Snapshots, through the library's interface."""

    def __init__(self, pool: RecorderPool) -> None:
        self._pool = pool

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Insert all, or none.

        Raises:
            IntegrityError: a snapshot with that stream and version exists.
        """
        rows = [(e.originator_id, e.originator_version, e.topic, e.state) for e in stored_events]
        query = "INSERT INTO snapshots (originator_id, originator_version, topic, state) VALUES (%s, %s, %s, %s)"
        try:
            with self._pool.connection() as connection, connection.cursor() as cursor:
                cursor.executemany(query, rows)
        except psycopg.IntegrityError as error:
            raise IntegrityError(error) from error
        return None

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stream's snapshots with `gt` < version <= `lte`."""
        return _select(self._pool, "snapshots", originator_id, gt, lte, desc, limit)


class PostgresRecorder(ApplicationRecorder):
    """The log, through the library's interface. Inserts call `append_events`, as the group commit does."""

    def __init__(self, pool: RecorderPool) -> None:
        self._pool = pool

    @property
    def pool(self) -> RecorderPool:
        """The connections this recorder uses."""
        return self._pool

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append all, or none. Returns their positions.

        Raises:
            IntegrityError: a stream is not at the version before its first event.
        """
        if not stored_events:
            return None
        with self._pool.connection() as connection:
            register(connection.adapters)
            row = connection.execute(APPEND, encode_parameters([_request(stored_events)])).fetchone()
        assert row is not None
        head, (verdict,) = row
        if verdict != "ok":
            raise IntegrityError(verdict)
        return list(range(head + 1, head + 1 + len(stored_events)))

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """The stream's events with `gt` < version <= `lte`."""
        return _select(self._pool, "stored_events", originator_id, gt, lte, desc, limit)

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """The log from position `start` to `stop`, in order."""
        after = 0 if start is None else start - inclusive_of_start
        query = f"{NOTIFICATIONS} WHERE notification_id > %s AND notification_id <= %s"
        parameters: list[Any] = [after, 2**62 if stop is None else stop]
        if topics:
            query += " AND topic = ANY(%s)"
            parameters.append(list(topics))
        with self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            rows = cursor.execute(f"{query} ORDER BY notification_id LIMIT %s", [*parameters, limit])
            return [Notification(stream, version, topic, state, id=n) for n, stream, version, topic, state in rows]

    def max_notification_id(self) -> int | None:
        """The last position; None in an empty log."""
        with self._pool.connection() as connection:
            row = connection.execute("SELECT max(notification_id) FROM stored_events").fetchone()
        assert row is not None
        return row[0]  # type: ignore[no-any-return]

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """An endless iterator over the log after `gt`."""
        return _Subscription(self, gt, topics)


class _Subscription(ListenNotifySubscription[PostgresRecorder]):
    def __init__(self, recorder: PostgresRecorder, gt: int | None, topics: Sequence[str]) -> None:
        super().__init__(recorder, gt, topics)
        self._listener = Thread(target=self._listen)
        self._listener.start()

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        try:
            super().__exit__(*args, **kwargs)
        finally:
            self._listener.join()

    def _listen(self) -> None:
        try:
            with self._recorder.pool.connection() as connection:
                connection.set_autocommit(True)
                connection.execute(f"LISTEN {APPENDED_CHANNEL}")
                # Appends between the first read of the log and LISTEN sent no notification here: read again.
                self._has_been_notified.set()
                while not self._has_been_stopped and not self._thread_error:
                    for _ in connection.notifies(timeout=0.1, stop_after=1):
                        self._has_been_notified.set()
                connection.execute(f"UNLISTEN {APPENDED_CHANNEL}")
                connection.set_autocommit(False)
        except BaseException as error:
            self._thread_error = self._thread_error or error
            self.stop()


def _request(stored_events: Sequence[StoredEvent]) -> AppendRequest:
    expected: dict[int, int] = {}
    for event in stored_events:
        expected.setdefault(_uuid(event.originator_id).int, event.originator_version - 1)
    return AppendRequest(
        expected=expected,
        events=[NewEvent(_uuid(e.originator_id), e.originator_version, e.topic, e.state) for e in stored_events],
    )


def _uuid(originator_id: UUID | str) -> UUID:
    return originator_id if isinstance(originator_id, UUID) else UUID(originator_id)
