"""The Merkle tree of RFC 9162, section 2.1: hashes, the nodes that roots and proofs need, and the checks of proofs.

Leaves have indexes from 0. A range of leaves is `start` to `end`, without `end`. Nothing here reads or writes.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256().digest()
"""The root of a tree without leaves (RFC 9162, 2.1.1)."""


class ProofRefused(Exception):
    """A proof does not prove what it is for. The message says why."""


class Node(NamedTuple):
    """A complete subtree: 2 ** `height` leaves, the first of which has the index `number` * 2 ** `height`."""

    height: int
    number: int


class LeafRange(NamedTuple):
    """Leaves that one hash of a proof covers."""

    start: int
    end: int


HashOf = Callable[[Node], bytes]
"""Returns the hash of a node."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return hashlib.sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two nodes."""
    return hashlib.sha256(b"\1" + left + right).digest()


def nodes_of(leaves: LeafRange) -> Iterator[Node]:
    """Return the fewest nodes that cover a range, from left to right.

    The range is one of those that occur in a tree: its start is a multiple of the largest power of two in its length.
    """
    start = leaves.start
    while start < leaves.end:
        height = (leaves.end - start).bit_length() - 1
        yield Node(height, start >> height)
        start += 1 << height


def joined(hashes: Sequence[bytes]) -> bytes:
    """Return the hash of a range from those of its nodes (`nodes_of`)."""
    found = hashes[-1]
    for left in reversed(hashes[:-1]):
        found = node_hash(left, found)
    return found


def hashes_of(ranges: Iterable[LeafRange], hash_of: HashOf) -> list[bytes]:
    """Return the hashes of a proof from the ranges that they cover."""
    return [joined([hash_of(node) for node in nodes_of(leaves)]) for leaves in ranges]


def inclusion_ranges(index: int, size: int) -> list[LeafRange]:
    """Return what an inclusion proof covers, from the sibling of the leaf to the child of the root.

    Raises:
        ValueError: the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, end, ranges = 0, size, []
    while end - start > 1:
        middle = _middle(start, end)
        if index < middle:
            ranges.append(LeafRange(middle, end))
            end = middle
        else:
            ranges.append(LeafRange(start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int) -> list[LeafRange]:
    """Return what a consistency proof covers: that the first `old` leaves of a tree of `new` are those of an older one.

    Raises:
        ValueError: there is no such proof.
    """
    if not 0 < old <= new:
        raise ValueError(f"a tree of {new} leaves cannot continue one of {old}")
    start, end, ranges = 0, new, []
    while end != old:
        middle = _middle(start, end)
        if old <= middle:
            ranges.append(LeafRange(middle, end))
            end = middle
        else:
            ranges.append(LeafRange(start, middle))
            start = middle
    if start:  # else it is the older tree, whose root the reader of the proof knows
        ranges.append(LeafRange(start, end))
    return ranges[::-1]


def outside_ranges(start: int, end: int, size: int) -> list[LeafRange]:
    """Return what a proof of a range of leaves covers: the largest subtrees beside it, from left to right.

    Raises:
        ValueError: the tree has no such range, or it is empty.
    """
    if not 0 <= start < end <= size:
        raise ValueError(f"a tree of {size} leaves has no leaves {start} to {end}")

    def below(first: int, last: int) -> Iterator[LeafRange]:
        if last <= start or end <= first:
            yield LeafRange(first, last)
        elif not start <= first < last <= end:
            middle = _middle(first, last)
            yield from below(first, middle)
            yield from below(middle, last)

    return list(below(0, size))


def root_around(leaves: LeafRange, size: int, entries: Iterable[bytes], outside: Iterable[bytes]) -> bytes:
    """Return the root to which a range of leaves leads. `outside`: the hashes of `outside_ranges`. Reads entries once.

    Raises:
        ProofRefused: there are too few or too many entries or hashes.
    """
    inner, outer = iter(entries), iter(outside)

    def subtree(first: int, last: int) -> bytes:
        if last <= leaves.start or leaves.end <= first:
            return next(outer)
        if last - first == 1:
            return leaf_hash(next(inner))
        middle = _middle(first, last)
        left = subtree(first, middle)
        return node_hash(left, subtree(middle, last))

    try:
        root = subtree(0, size)
    except StopIteration:
        raise ProofRefused("the proof has too few entries or hashes") from None
    if next(inner, None) is not None or next(outer, None) is not None:
        raise ProofRefused("the proof has too many entries or hashes")
    return root


def require_inclusion(entry_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof (RFC 9162, section 2.1.3.2). `entry_hash`: the hash of the leaf.

    Raises:
        ProofRefused: the leaf is not the one with this index in the tree of this root.
    """
    if not 0 <= index < size:
        raise ProofRefused(f"a tree of {size} leaves has no leaf {index}")
    found = entry_hash
    for sibling, is_left in _siblings(index, size - 1, proof):
        found = node_hash(sibling, found) if is_left else node_hash(found, sibling)
    if found != root:
        raise ProofRefused("the proof leads to another root")


def require_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check a consistency proof (RFC 9162, section 2.1.4.2).

    Raises:
        ProofRefused: the tree of `new` leaves does not continue the one of `old`.
    """
    if not 0 < old <= new:
        raise ProofRefused(f"a tree of {new} leaves cannot continue one of {old}")
    if old == new:
        if proof or old_root != new_root:
            raise ProofRefused("two trees of one size have different roots")
        return
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise ProofRefused("the proof has too few hashes")
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    found_old = found_new = path[0]
    for sibling, is_left in _siblings(number, last, path[1:]):
        if is_left:
            found_old = node_hash(sibling, found_old)
        found_new = node_hash(sibling, found_new) if is_left else node_hash(found_new, sibling)
    if found_old != old_root or found_new != new_root:
        raise ProofRefused("the proof leads to other roots")


def _siblings(number: int, last: int, proof: Iterable[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The hashes of a proof for a node of a level that ends with the node `last`; and whether each is to the left."""
    for sibling in proof:
        if last == 0:
            raise ProofRefused("the proof has too many hashes")
        is_left = bool(number & 1) or number == last
        yield sibling, is_left
        while is_left and number and not number & 1:
            number, last = number >> 1, last >> 1
        number, last = number >> 1, last >> 1
    if last:
        raise ProofRefused("the proof has too few hashes")


def _middle(start: int, end: int) -> int:
    """The end of the left subtree: the largest power of two below the length, after the start."""
    return start + (1 << (end - start - 1).bit_length() - 1)
