"""What is stored beside a tree and its events, or is missing between its checkpoints. No signature covers any of it."""

from infra.audit.differences import WrongPosition
from infra.audit.rows import query
from infra.audit.tiles import ENTRIES, HEIGHT, WIDTH, widths_at
from infra.postgres.connect import Connection

MAX_LEVEL = 7
"""The highest level of a tree of 2 ** 63 leaves; its tile is never full."""

UNCOUNTED = """
SELECT min(notification_id) FROM (
    SELECT notification_id FROM stored_events WHERE notification_id <= %s GROUP BY 1
    HAVING count(*) > 1 OR notification_id < 1
) AS surplus
"""
SURPLUS_TILE = f"""
SELECT level, number FROM log_tiles
WHERE level NOT BETWEEN {ENTRIES} AND {MAX_LEVEL - 1} OR number < 0
    OR number >= (%s::bigint >> ({HEIGHT} * (greatest(level, 0) + 1)))
ORDER BY level, number LIMIT 1
"""  # noqa: S608
EDGES = "SELECT level, number, octet_length(content) FROM log_edges ORDER BY level"
BROKEN_CHAIN = """
SELECT size, previous, before FROM (
    SELECT size, previous, lag(size, 1, 0::bigint) OVER (ORDER BY size) AS before FROM log_checkpoints
) AS chain
WHERE previous <> before ORDER BY size LIMIT 1
"""


def verify_nothing_more(connection: Connection, size: int) -> None:
    """Verify that the store has nothing but the events, tiles and checkpoints of a tree of `size` leaves.

    Raises:
        WrongPosition: it has more, or a checkpoint between others is missing.
    """
    _require_one_event_each(connection, size)
    _require_tiles_of_tree(connection, size)
    _require_edges_of_tree(connection, size)
    _require_chain(connection)


def _require_one_event_each(connection: Connection, size: int) -> None:
    [(surplus,)] = query(connection, UNCOUNTED, size)
    if surplus is not None:
        raise WrongPosition(surplus, "more than one event has this position, or none may have it")


def _require_tiles_of_tree(connection: Connection, size: int) -> None:
    for level, number in query(connection, SURPLUS_TILE, size):
        raise _surplus("a tile", level, number)


def _require_edges_of_tree(connection: Connection, size: int) -> None:
    widths = {**widths_at(size), ENTRIES: size % WIDTH}
    for level, number, length in query(connection, EDGES):
        is_place = ENTRIES <= level <= MAX_LEVEL and number == size >> HEIGHT * (max(level, 0) + 1)
        if not is_place or (length and not widths.get(level)):
            raise _surplus("a partial tile", level, number)


def _require_chain(connection: Connection) -> None:
    for last, previous, before in query(connection, BROKEN_CHAIN):
        names = f"the checkpoint of {last} events names one of {previous} as the one before it"
        raise WrongPosition(last, f"{names}, and {before or 'none'} is: a checkpoint was removed or changed")


def _surplus(what: str, level: int, number: int) -> WrongPosition:
    first = (max(number, 0) * WIDTH << HEIGHT * min(max(level, 0), MAX_LEVEL)) + 1
    return WrongPosition(first, f"{what} is stored that is not of the tree (level {level}, number {number})")
