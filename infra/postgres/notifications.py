"""Waits for notifications on a connection of synchronous code."""

from infra.postgres.connect import Connection


def take_notifications(connection: Connection, seconds: float) -> None:
    """Wait until there is a notification, at most so long, and take all that have come.

    psycopg queues notifications that come during other statements: one that is left would end the next wait at once.
    """
    for _ in connection.notifies(timeout=seconds, stop_after=1):
        pass
