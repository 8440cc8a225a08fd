"""Waits for notifications on a connection of synchronous code."""

from infra.postgres.connect import Connection


def take_notifications(connection: Connection, seconds: float) -> bool:
    """Wait until there is a notification, at most so long, and take all that have come. Returns whether one has.

    psycopg queues notifications that come during other statements: one that is left would end the next wait at once.
    """
    return any([*connection.notifies(timeout=seconds, stop_after=1)])
