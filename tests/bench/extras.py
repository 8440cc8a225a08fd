"""Shown for what it is worth: the times of every route, the size on disk, and the time that starting takes."""

import time
from collections.abc import Iterator
from statistics import median

import psycopg

from tests.bench import ours, processes, routes, stock
from tests.bench.fill import fill
from tests.bench.harness import TEXT, Bench, Row, told
from tests.bench.http import open_services
from tests.bench.project import VERSIONS
from tests.support.servers import open_folder, own_redis

STARTS = 5
SIZES = """
SELECT (pg_total_relation_size('stored_events') + pg_total_relation_size('data_keys'))::float8
     / (SELECT count(*) FROM stored_events),
       pg_total_relation_size('pages_events')::float8 / (SELECT count(*) FROM pages_events)
"""


def rows(bench: Bench) -> Iterator[Row]:
    """All of it."""
    with open_folder() as folder, open_services(bench, folder) as services:
        yield from routes.rows(bench, services)
    yield _start(bench)
    yield _size(bench)


def _start(bench: Bench) -> Row:
    """From the start of the process to the first request that it is ready for."""
    seconds = []
    with bench.database() as database, own_redis() as redis, open_folder() as folder:
        for _ in range(STARTS):
            started = time.perf_counter()
            with processes.api(database, folder, redis.url):
                seconds.append(time.perf_counter() - started)
    return told("start of `palimpsest api` until it is ready", "s", median(seconds))


def _size(bench: Bench) -> Row:
    """With indexes and, on our side, the data keys: ten events a stream, sealed. The peer's are in clear."""
    number = bench.count(1_000)
    with (
        bench.database() as database,
        ours.opened(database) as own,
        stock.opened(database, POSTGRES_POOL_SIZE="2") as app,
        psycopg.connect(database.admin_url, autocommit=True) as connection,
    ):
        fill(own.core, database.admin_url, number, VERSIONS)
        stock.store_pages(app, number, VERSIONS, TEXT)
        found = connection.execute(SIZES).fetchone()
    assert found is not None
    return told(f"store with indexes and keys, {VERSIONS} events a stream", "bytes/event", *found)
