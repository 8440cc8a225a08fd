"""Tiles of the tree, as in C2SP tlog-tiles: 256 hashes of one level, and bundles of 256 entries.

A tile of level L has the hashes of subtrees of 256 ** L leaves. Entries stand as level `ENTRIES` beside them. A tile
that has fewer than 256 is partial. It is the beginning of the full one, so one stored tile serves all its earlier
widths.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from infra.audit.tree import HASH_BYTES, HashOf, LeafRange, Node, node_hash, nodes_of

HEIGHT = 8
WIDTH = 1 << HEIGHT
TILE_BYTES = WIDTH * HASH_BYTES
ENTRIES = -1
"""The level of bundles of entries."""
MAX_ENTRY_BYTES = 65_535

_PATH = re.compile(r"(entries|0|[1-9]\d?)/((?:x\d{3}/)*\d{3})(?:\.p/([1-9]\d{0,2}))?", re.ASCII)
_MAX_LEVEL = 63
_MAX_NUMBER = 2**55
"""A tree of 2 ** 63 leaves has no more tiles."""


class TileId(NamedTuple):
    """The place of a tile: its level, and its number within the level."""

    level: int
    number: int


class TilePath(NamedTuple):
    """A tile that a client asks for. `width`: the number of hashes or entries, 256 if it is full."""

    tile: TileId
    width: int


def tile_of(node: Node) -> TileId:
    """Return the tile that the hash of a node is computed from."""
    level, above = divmod(node.height, HEIGHT)
    return TileId(level, node.number << above >> HEIGHT)


def tiles_for(ranges: Iterable[LeafRange]) -> set[TileId]:
    """Return the tiles that the hashes of these ranges are computed from."""
    return {tile_of(node) for leaves in ranges for node in nodes_of(leaves)}


def reader_of(tiles: Mapping[TileId, bytes]) -> HashOf:
    """Return a function that computes hashes of nodes from tiles.

    It raises KeyError for a node whose tile is not there, and ValueError for one whose tile is too narrow.
    """

    def hash_of(node: Node) -> bytes:
        above = node.height % HEIGHT
        first = (node.number << above) % WIDTH
        hashes = tiles[tile_of(node)][first * HASH_BYTES : (first + (1 << above)) * HASH_BYTES]
        if len(hashes) != HASH_BYTES << above:
            raise ValueError(f"the tile {path_of(tile_of(node))} is too narrow")
        return _subtree_hash(split_hashes(hashes))

    return hash_of


def split_hashes(tile: bytes) -> list[bytes]:
    """Return the hashes of a tile."""
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def _subtree_hash(hashes: list[bytes]) -> bytes:
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def path_of(tile: TileId, width: int = WIDTH) -> str:
    """Return the path of a tile, below `tile/`. `width`: that of a partial tile."""
    level = "entries" if tile.level == ENTRIES else str(tile.level)
    groups, rest = [f"{tile.number % 1000:03}"], tile.number // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03}")
        rest //= 1000
    return f"{level}/{'/'.join(groups)}{'' if width == WIDTH else f'.p/{width}'}"


def parse_path(path: str) -> TilePath:
    """Decode the path of a tile, below `tile/`.

    Raises:
        ValueError: it is not written as the format says. Each tile has one path.
    """
    match = _PATH.fullmatch(path)
    if match is None:
        raise ValueError("not the path of a tile")
    level, number, width = match.groups()
    found = TilePath(
        TileId(ENTRIES if level == "entries" else int(level), int(re.sub(r"[x/]", "", number))),
        int(width) if width else WIDTH,
    )
    fits = found.tile.level <= _MAX_LEVEL and found.tile.number <= _MAX_NUMBER and found.width <= WIDTH
    if not fits or path_of(*found) != path:
        raise ValueError("not the path of a tile")
    return found


def widths_at(size: int) -> dict[int, int]:
    """Return the widths of the partial tiles of a tree with so many leaves, by level; bundles of entries left out."""
    levels = range((size.bit_length() + HEIGHT - 1) // HEIGHT)
    return {level: width for level in levels if (width := (size >> HEIGHT * level) % WIDTH)}


def bundled(entry: bytes) -> bytes:
    """Return an entry as it stands in a bundle.

    Raises:
        ValueError: the entry is too long for the format.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise ValueError("an entry of the log is too long")
    return len(entry).to_bytes(2, "big") + entry


def entries_in(bundle: bytes) -> Iterator[bytes]:
    """Return the entries of a bundle.

    Raises:
        ValueError: the bytes are not those of a bundle.
    """
    at = 0
    while at < len(bundle):
        start = at + 2
        at = start + int.from_bytes(bundle[at:start], "big")
        if at > len(bundle):
            raise ValueError("a bundle of entries is cut off")
        yield bundle[start:at]


def entry_at(bundle: bytes, index: int) -> bytes:
    """Return the entry of a leaf, by its index in the log.

    Raises:
        IndexError: the bundle has fewer entries.
        ValueError: the bytes are not those of a bundle.
    """
    return list(entries_in(bundle))[index % WIDTH]


def narrowed(hashes: bytes, width: int) -> bytes | None:
    """Return the first `width` hashes of a stored tile; None if it has fewer."""
    return hashes[: width * HASH_BYTES] if len(hashes) >= width * HASH_BYTES else None
