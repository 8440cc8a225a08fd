"""A tree that grows by entries, with the tiles that each growth completes or lengthens."""

from collections.abc import Iterable, Mapping

from infra.audit.tiles import (
    ENTRIES,
    HEIGHT,
    TILE_BYTES,
    WIDTH,
    TileId,
    bundled,
    entries_in,
    reader_of,
    split_hashes,
    widths_at,
)
from infra.audit.tree import EMPTY_ROOT, HASH_BYTES, LeafRange, joined, leaf_hash, node_hash, nodes_of


class WrongTiles(Exception):
    """Tiles do not have the widths that the size of their tree demands. The message names one."""


class GrowingTree:
    """The right edge of a tree. `size`: its number of leaves; `completed`: the tiles that became full, in order.

    `edges`: the partial tiles by level, bundles of entries included.

    Raises:
        WrongTiles: `edges` are not those of a tree with so many leaves.
        ValueError: the bundle of entries is cut off.
    """

    def __init__(self, size: int = 0, edges: Mapping[int, bytes] | None = None) -> None:
        widths = widths_at(size)
        edges = edges or {}
        for level in {*widths, *edges} - {ENTRIES}:
            if len(edges.get(level, b"")) != widths.get(level, 0) * HASH_BYTES:
                raise WrongTiles(f"the partial tile of level {level} has a wrong width")
        if [leaf_hash(entry) for entry in entries_in(edges.get(ENTRIES, b""))] != split_hashes(edges.get(0, b"")):
            raise WrongTiles("the partial bundle of entries does not fit the tree")
        self.size = size
        self.completed: dict[TileId, bytes] = {}
        self._edges = {level: bytearray(content) for level, content in edges.items()}
        hash_of = reader_of(self.tiles())
        self._peaks = [hash_of(node) for node in nodes_of(LeafRange(0, size))]

    def extend(self, entries: Iterable[bytes]) -> None:
        """Add entries as leaves."""
        bundle = self._edges.setdefault(ENTRIES, bytearray())
        for entry in entries:
            bundle += bundled(entry)
            node, below = leaf_hash(entry), self.size
            self._put(0, node)
            height = 0
            while below >> height & 1:
                node = node_hash(self._peaks.pop(), node)
                height += 1
                if not height % HEIGHT:
                    self._put(height // HEIGHT, node)
            self._peaks.append(node)
            self.size += 1
            if not self.size % WIDTH:
                self.completed[TileId(ENTRIES, self.size // WIDTH - 1)] = bytes(bundle)
                bundle.clear()

    def root(self) -> bytes:
        """Return the root. That of a tree without leaves is the hash of nothing (RFC 9162, 2.1.1)."""
        return joined(self._peaks) if self._peaks else EMPTY_ROOT

    def edge_ids(self) -> list[TileId]:
        """Return the places of the partial tiles; a level may have an empty one."""
        return [TileId(level, self._edge_number(level)) for level in self._edges]

    def tiles(self) -> dict[TileId, bytes]:
        """Return the completed tiles and those at the edge."""
        return {**self.completed, **{each: bytes(self._edges[each.level]) for each in self.edge_ids()}}

    def _put(self, level: int, node: bytes) -> None:
        edge = self._edges.setdefault(level, bytearray())
        edge += node
        if len(edge) == TILE_BYTES:
            # The leaf that completes the tile is not counted yet.
            self.completed[TileId(level, self.size >> HEIGHT * (level + 1))] = bytes(edge)
            edge.clear()

    def _edge_number(self, level: int) -> int:
        return self.size >> HEIGHT * (max(level, 0) + 1)
