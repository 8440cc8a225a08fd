"""The connection of commands that show or change the queue of jobs."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from infra.cli.terminal import failure
from infra.postgres.connect import Connection, as_part, connect
from infra.settings.load import load


@contextmanager
def queue_database() -> Iterator[Connection]:
    """Open a connection with the rights of the worker, which alone may see jobs; close it at the end.

    Raises:
        typer.Exit: the database does not answer, or has no tables. The reason is printed.
    """
    url = as_part(load(part="worker").database.url.get_secret_value(), "worker")
    try:
        with connect(url, autocommit=True) as connection:
            yield connection
    except psycopg.errors.UndefinedTable:
        raise failure("The schema is missing. Run: palimpsest migrate") from None
    except psycopg.OperationalError:
        raise failure("The database is not available. `palimpsest doctor` says more.") from None
