"""Proofs for single events, and that one tree continues another, from the tiles that are stored."""

from collections.abc import Mapping

from infra.audit.notes import LogCheckpoint, NoteRefused
from infra.audit.proof_file import EntryProof
from infra.audit.tiles import ENTRIES, HEIGHT, TileId, entry_at, reader_of, tiles_for
from infra.audit.tree import (
    LeafRange,
    ProofRefused,
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    leaf_hash,
    require_consistency,
    require_inclusion,
)


def tiles_for_proof(index: int, size: int) -> set[TileId]:
    """Return the tiles that a proof for this leaf is made of."""
    return {TileId(ENTRIES, index >> HEIGHT), *tiles_for(inclusion_ranges(index, size))}


def proof_from(tiles: Mapping[TileId, bytes], index: int, note: str) -> EntryProof:
    """Return a proof that the leaf is in the tree of a signed checkpoint.

    Raises:
        ProofRefused: the tiles do not lead to the root of the checkpoint, or it is none: they are damaged.
    """
    try:
        checkpoint = LogCheckpoint.of(note)
        entry = entry_at(tiles[TileId(ENTRIES, index >> HEIGHT)], index)
        hashes = hashes_of(inclusion_ranges(index, checkpoint.size), reader_of(tiles))
    except NoteRefused as error:
        raise ProofRefused(f"the last checkpoint is damaged: {error}") from None
    except (KeyError, IndexError, ValueError) as error:
        raise _damaged(error) from None
    require_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    return EntryProof(entry, index, hashes, note)


def consistency_from(tiles: Mapping[TileId, bytes], old: int, new: int) -> list[bytes]:
    """Return the proof that a tree of `new` leaves continues one of `old`.

    Raises:
        ProofRefused: a tile is missing, or too narrow.
    """
    try:
        return hashes_of(consistency_ranges(old, new), reader_of(tiles))
    except (KeyError, ValueError) as error:
        raise _damaged(error) from None


def tiles_for_continuation(old: int, new: int) -> set[TileId]:
    """Return the tiles that `continuation_from` needs."""
    return set(tiles_for([LeafRange(0, old), *consistency_ranges(old, new)]))


def continuation_from(tiles: Mapping[TileId, bytes], old: int, new: LogCheckpoint) -> list[bytes]:
    """Return the proof that a checkpoint continues our own tree of `old` leaves: who refuses it knows another one.

    Raises:
        ProofRefused: the tiles are damaged.
    """
    proof = consistency_from(tiles, old, new.size)
    try:
        [root] = hashes_of([LeafRange(0, old)], reader_of(tiles))
    except (KeyError, ValueError) as error:
        raise _damaged(error) from None
    require_consistency(old, root, new.size, new.root, proof)
    return proof


def _damaged(error: Exception) -> ProofRefused:
    return ProofRefused(f"a tile is missing or damaged ({type(error).__name__})")
