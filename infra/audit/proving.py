"""Proofs for single events, from the tiles that are stored."""

from collections.abc import Mapping

from infra.audit.notes import LogCheckpoint, NoteRefused
from infra.audit.proof_file import EntryProof
from infra.audit.tiles import ENTRIES, HEIGHT, WIDTH, TileId, entries_in, reader_of, tiles_for
from infra.audit.tree import ProofRefused, hashes_of, inclusion_ranges, leaf_hash, require_inclusion


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
        entry = list(entries_in(tiles[TileId(ENTRIES, index >> HEIGHT)]))[index % WIDTH]
        hashes = hashes_of(inclusion_ranges(index, checkpoint.size), reader_of(tiles))
    except NoteRefused as error:
        raise ProofRefused(f"the last checkpoint is damaged: {error}") from None
    except (KeyError, IndexError, ValueError) as error:
        raise ProofRefused(f"a tile is missing or damaged ({type(error).__name__})") from None
    require_inclusion(leaf_hash(entry), index, checkpoint.size, hashes, checkpoint.root)
    return EntryProof(entry, index, hashes, note)
