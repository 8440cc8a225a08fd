"""The tree equals the definition of RFC 9162, at any size and however it has grown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.audit.growing_tree import GrowingTree, WrongTiles
from infra.audit.tiles import ENTRIES, TileId, entries_in, reader_of, split_hashes, tiles_for
from infra.audit.tree import (
    LeafRange,
    ProofRefused,
    consistency_ranges,
    hashes_of,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    outside_ranges,
    require_consistency,
    require_inclusion,
    root_around,
)
from tests.support import merkle_model

ENTRY_LIST = [b"entry %d" % number for number in range(700)]
KNOWN = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    ("606162636465666768696a6b6c6d6e6f", "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
]
"""Leaves, and the root of the tree after each: the test data of Certificate Transparency (RFC 6962)."""

sizes = st.integers(1, len(ENTRY_LIST))


def grown(size: int) -> GrowingTree:
    tree = GrowingTree()
    tree.extend(ENTRY_LIST[:size])
    return tree


def test_the_roots_of_certificate_transparency() -> None:
    tree, leaves = GrowingTree(), [bytes.fromhex(text) for text, _ in KNOWN]
    for leaf, (_, root) in zip(leaves, KNOWN, strict=True):
        tree.extend([leaf])
        assert tree.root().hex() == root


def test_a_tree_without_leaves_has_the_hash_of_nothing() -> None:
    assert GrowingTree().root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_hash_of_a_leaf_is_never_that_of_a_node() -> None:
    assert leaf_hash(b"\1" * 64) != node_hash(b"\1" * 32, b"\1" * 32)


@given(sizes, st.lists(st.integers(0, 400), max_size=6))
def test_roots_are_as_defined_however_the_tree_has_grown(size: int, steps: list[int]) -> None:
    tree, kept = GrowingTree(), dict[TileId, bytes]()
    for step in [*steps, size]:
        until = min(tree.size + step, size)
        tree.extend(ENTRY_LIST[tree.size : until])
        kept |= tree.tiles()
        # As after a restart: all that is left are the size and the partial tiles.
        tree = GrowingTree(tree.size, {each.level: kept[each] for each in tree.edge_ids()})
    assert tree.size == size
    assert tree.root() == merkle_model.root(ENTRY_LIST[:size])
    assert hashes_of([LeafRange(0, size)], reader_of(kept)) == [tree.root()]


@given(sizes)
def test_tiles_are_as_the_format_defines_them(size: int) -> None:
    tiles = grown(size).tiles()
    for (level, number), content in tiles.items():
        start = number * 256
        if level == ENTRIES:
            assert list(entries_in(content)) == ENTRY_LIST[:size][start : start + 256]
        else:
            step = 256**level
            subtrees = [ENTRY_LIST[at * step : (at + 1) * step] for at in range(size // step)]
            assert split_hashes(content) == [merkle_model.root(each) for each in subtrees[start : start + 256]]
    assert sum(map(len, tiles.values())) >= size * 32


@given(sizes, st.data())
def test_inclusion_proofs_are_as_defined_and_prove_one_leaf_only(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    ranges = inclusion_ranges(index, size)
    tiles = grown(size).tiles()
    assert tiles_for(ranges) <= set(tiles)
    proof, root = hashes_of(ranges, reader_of(tiles)), merkle_model.root(ENTRY_LIST[:size])
    assert proof == merkle_model.inclusion(index, ENTRY_LIST[:size])
    require_inclusion(leaf_hash(ENTRY_LIST[index]), index, size, proof, root)
    other = data.draw(st.integers(0, size).filter(lambda number: number != index))
    wrong = [
        (leaf_hash(b"another"), index, size, proof, root),
        (leaf_hash(ENTRY_LIST[index]), other, size, proof, root),
        (leaf_hash(ENTRY_LIST[index]), index, size, [*proof, bytes(32)], root),
        (leaf_hash(ENTRY_LIST[index]), index, size, proof, bytes(32)),
        (leaf_hash(ENTRY_LIST[index]), -1, size, proof, root),
        *([(leaf_hash(ENTRY_LIST[index]), index, size, proof[:-1], root)] if proof else []),
    ]
    for arguments in wrong:
        with pytest.raises(ProofRefused):
            require_inclusion(*arguments)


@given(sizes, st.data())
def test_a_range_leads_to_the_root_with_what_is_beside_it_and_no_other_range_does(
    size: int, data: st.DataObject
) -> None:
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start + 1, size))
    ranges, inside = outside_ranges(start, end, size), ENTRY_LIST[start:end]
    beside = hashes_of(ranges, reader_of(grown(size).tiles()))
    assert [*range(start), *range(end, size)] == [index for each in ranges for index in range(*each)]
    root = merkle_model.root(ENTRY_LIST[:size])
    assert root_around(LeafRange(start, end), size, inside, beside) == root
    assert root_around(LeafRange(start, end), size, [*inside[:-1], b"forged"], beside) != root
    for entries, hashes in ((inside[:-1], beside), ([*inside, b"more"], beside), (inside, [*beside, bytes(32)])):
        with pytest.raises(ProofRefused):
            root_around(LeafRange(start, end), size, entries, hashes)


@given(sizes, st.data())
def test_consistency_proofs_are_as_defined_and_prove_one_pair_only(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new))
    ranges = consistency_ranges(old, new)
    proof = hashes_of(ranges, reader_of(grown(new).tiles()))
    old_root, new_root = merkle_model.root(ENTRY_LIST[:old]), merkle_model.root(ENTRY_LIST[:new])
    assert proof == merkle_model.consistency(old, ENTRY_LIST[:new])
    require_consistency(old, old_root, new, new_root, proof)
    wrong = [
        (old, bytes(32), new, new_root, proof),
        (old, old_root, new, bytes(32), proof),
        (old, old_root, new, new_root, [*proof, bytes(32)]),
        (0, bytes(32), new, new_root, proof),
        (new + 1, old_root, new, new_root, proof),
        *([(old, old_root, new, new_root, proof[:-1])] if proof else []),
        *([(old, old_root, new, new_root, [])] if proof else []),
    ]
    for arguments in wrong:
        with pytest.raises(ProofRefused):
            require_consistency(*arguments)


@given(sizes, sizes)
def test_a_forged_history_has_no_consistency_proof(one: int, other: int) -> None:
    """The older tree has another last entry: neither the honest proof nor that of the forged tree passes."""
    old, new = sorted((one, other))
    forged = [*ENTRY_LIST[: old - 1], b"forged", *ENTRY_LIST[old:new]]
    forged_root = merkle_model.root(forged[:old])
    for entries in (forged, ENTRY_LIST[:new]):
        with pytest.raises(ProofRefused):
            require_consistency(
                old, forged_root, new, merkle_model.root(ENTRY_LIST[:new]), merkle_model.consistency(old, entries)
            )


def test_there_is_no_proof_of_what_is_not_in_the_tree() -> None:
    for index, size in ((0, 0), (3, 3), (-1, 3)):
        with pytest.raises(ValueError, match="has no leaf"):
            inclusion_ranges(index, size)
    for old, new in ((0, 3), (4, 3)):
        with pytest.raises(ValueError, match="cannot continue"):
            consistency_ranges(old, new)


@pytest.mark.parametrize(
    "edges",
    [
        {},
        {0: bytes(32 * 3)},
        {**{each.level: grown(300).tiles()[each] for each in grown(300).edge_ids()}, 2: bytes(32)},
        {**{each.level: grown(300).tiles()[each] for each in grown(300).edge_ids()}, ENTRIES: b""},
    ],
)
def test_partial_tiles_of_another_tree_are_refused(edges: dict[int, bytes]) -> None:
    with pytest.raises(WrongTiles):
        GrowingTree(300, edges)


def test_a_node_of_a_tile_that_is_too_narrow_has_no_hash() -> None:
    with pytest.raises(ValueError, match=r"0/000 is too narrow"):
        hashes_of([LeafRange(0, 4)], reader_of({TileId(0, 0): bytes(3 * 32)}))
