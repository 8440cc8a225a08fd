"""The tables of the audit tree: tiles, the partial tiles at its edge, and the checkpoints that were signed."""

from collections.abc import Iterable
from typing import NamedTuple

from infra.audit.growing_tree import GrowingTree
from infra.audit.tiles import TileId
from infra.postgres.connect import Connection

LAST_CHECKPOINT = "SELECT size, note FROM log_checkpoints ORDER BY size DESC LIMIT 1"
TILES = """
SELECT level, number, content FROM log_tiles
JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, number) USING (level, number)
UNION ALL
SELECT level, number, content FROM log_edges
JOIN unnest(%s::smallint[], %s::bigint[]) AS wanted (level, number) USING (level, number)
"""
"""Tiles by level and number. One statement, so that a tile that is just completed is seen in one of the two tables."""
STATE = f"""
SELECT size, note, NULL::smallint, NULL::bytea FROM ({LAST_CHECKPOINT}) AS last
UNION ALL
SELECT NULL, NULL, level, content FROM log_edges WHERE octet_length(content) > 0
"""  # noqa: S608
"""The last checkpoint and the edge of its tree. One statement, so that they are of one moment."""

_ADD_TILE = "INSERT INTO log_tiles (level, number, content) VALUES (%s, %s, %s)"
_SET_EDGE = """
INSERT INTO log_edges (level, number, content) VALUES (%s, %s, %s)
ON CONFLICT (level) DO UPDATE SET number = excluded.number, content = excluded.content
"""
_ADD_CHECKPOINT = "INSERT INTO log_checkpoints (size, previous, note, signed_at) VALUES (%s, %s, %s, clock_timestamp())"


class SignedCheckpoint(NamedTuple):
    """A row of `log_checkpoints`. `note`: the signed note."""

    size: int
    note: str


class SealedState(NamedTuple):
    """What is sealed: the last checkpoint, if there is one, and the partial tiles by level."""

    last: SignedCheckpoint | None
    edges: dict[int, bytes]


def last_checkpoint(connection: Connection) -> SignedCheckpoint | None:
    """Return the last checkpoint; None if nothing is sealed."""
    row = connection.execute(LAST_CHECKPOINT).fetchone()
    return SignedCheckpoint(*row) if row else None


def tile_parameters(wanted: Iterable[TileId]) -> list[list[int]]:
    """Return the parameters of `TILES`."""
    places = list(wanted)
    return 2 * [[tile.level for tile in places], [tile.number for tile in places]]


def tiles(connection: Connection, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    """Return tiles, those that there are; a partial one has what was sealed last."""
    with connection.cursor(binary=True) as cursor:
        cursor.execute(TILES.encode(), tile_parameters(wanted))
        return {TileId(level, number): content for level, number, content in cursor.fetchall()}


def state(connection: Connection) -> SealedState:
    """Return the last checkpoint, and the partial tiles at the edge of its tree."""
    last, edges = None, dict[int, bytes]()
    with connection.cursor(binary=True) as cursor:
        for size, note, level, content in cursor.execute(STATE.encode()):
            if level is None:
                last = SignedCheckpoint(size, note)
            else:
                edges[level] = content
    return SealedState(last, edges)


def add(connection: Connection, tree: GrowingTree, note: str, previous: int) -> None:
    """Store a checkpoint and the tiles that it adds. `previous`: the size of the one before it. The caller commits.

    Raises:
        psycopg.errors.UniqueViolation: another process has sealed meanwhile. Or, of `log_tiles`: a tile that the tree
            completes is there already; the checkpoint is stored first, so no other process has done that.
    """
    kept = tree.tiles()
    with connection.cursor(binary=True) as cursor:
        cursor.execute(_ADD_CHECKPOINT.encode(), [tree.size, previous, note])
        cursor.executemany(_ADD_TILE.encode(), [(*tile, content) for tile, content in tree.completed.items()])
        cursor.executemany(_SET_EDGE.encode(), [(*tile, kept[tile]) for tile in tree.edge_ids()])
