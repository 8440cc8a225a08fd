"""Whether an append costs more in a store that holds more: the same writers on stores of 10^3 to 10^6 events.

The writers' streams are older than the rest of the log. The events between are copies of one under other ids, cut to
many lengths: if all were as long, each of their pages would have room for just one event more, and what is appended
would go to page after page that no append has touched for long.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import psycopg

from tests.bench import ours
from tests.bench.append import append
from tests.bench.harness import TEXT, Bench, Row, Way, against, told
from tests.support.servers import Database

WRITERS = 64
SIZES = (1_000, 10_000, 100_000, 1_000_000)
FILL = """
INSERT INTO stored_events
SELECT uuidv7(), 1, topic, substr(state, 1, 40 + n %% 1000 * 7919 %% 300), head + n, recorded_at
FROM (SELECT * FROM stored_events LIMIT 1) AS pattern,
     (SELECT max(notification_id) AS head FROM stored_events) AS log, generate_series(1, %s) AS n
"""


def rows(bench: Bench) -> Iterator[Row]:
    """Stores of all sizes take turns."""
    sizes = [bench.count(size) for size in SIZES]
    with ExitStack() as stack:
        ways = [_way(bench, stack, size) for size in sizes]
        found = bench.in_turns(*ways)
    smallest = found[0]
    yield told(f"append to {sizes[0]:,} events, {WRITERS} writers", "events/s", sorted(smallest)[len(smallest) // 2])
    for size, rates in zip(sizes[1:], found[1:], strict=True):
        last = size == sizes[-1]
        name = f"append to {size:,} events (peer: to {sizes[0]:,})"
        yield against(name, "events/s", rates, smallest, reach=0.8 if last else None)


def _way(bench: Bench, stack: ExitStack, size: int) -> Way:
    database = stack.enter_context(bench.database())
    own = stack.enter_context(ours.opened(database))
    documents = own(ours.store_documents, WRITERS, 1, TEXT)
    _fill(database, size)
    return lambda: own(append, documents, bench.seconds(0.8))


def _fill(database: Database, size: int) -> None:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        connection.execute(FILL, [size])
        connection.execute("VACUUM ANALYZE stored_events")
        connection.execute("CHECKPOINT")
