"""Paths and widths of tiles are those of C2SP tlog-tiles."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.audit.tiles import (
    ENTRIES,
    MAX_ENTRY_BYTES,
    TileId,
    bundled,
    entries_in,
    narrowed,
    parse_path,
    path_of,
    widths_at,
)


def test_the_examples_of_the_format() -> None:
    assert path_of(TileId(0, 1_234_067)) == "0/x001/x234/067"
    assert path_of(TileId(1, 0), 17) == "1/000.p/17"
    assert path_of(TileId(ENTRIES, 273), 112) == "entries/273.p/112"
    assert widths_at(70_000) == {0: 112, 1: 17, 2: 1}
    assert widths_at(256) == {1: 1}
    assert widths_at(0) == {}


@given(st.integers(-1, 63), st.integers(0, 10**14), st.integers(1, 256))
def test_each_tile_has_one_path(level: int, number: int, width: int) -> None:
    assert parse_path(path_of(TileId(level, number), width)) == (TileId(level, number), width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "0",
        "0/1",
        "0/0000",
        "00/000",
        "64/000",
        "-1/000",
        "0/x000/001",
        "0/001/002",
        "0/x001/x002",
        "0/000.p/0",
        "0/000.p/256",
        "0/000.p/257",
        "0/000.p/017",
        "0/000.p/",
        "entries/../000",
        "data/000",
        "0/000/",
        f"0/{'x999/' * 6}999",
        "0/000\n",
        "0/\u0660\u0660\u0660",
    ],
)
def test_another_spelling_is_no_path(path: str) -> None:
    with pytest.raises(ValueError, match="not the path of a tile"):
        parse_path(path)


@given(st.lists(st.binary(max_size=300), max_size=20), st.integers(1, 20))
def test_a_bundle_has_its_entries_in_order_and_begins_with_its_earlier_widths(entries: list[bytes], width: int) -> None:
    bundle = b"".join(map(bundled, entries))
    assert list(entries_in(bundle)) == entries
    earlier = b"".join(map(bundled, entries[:width]))
    assert bundle.startswith(earlier)


def test_an_earlier_width_of_a_tile_is_its_beginning() -> None:
    tile = bytes(range(96))
    assert narrowed(tile, 2) == tile[:64]
    assert narrowed(tile, 3) == tile
    assert narrowed(tile, 4) is None


@pytest.mark.parametrize("bundle", [b"\0", b"\0\2a"])
def test_a_bundle_that_is_cut_off_is_refused(bundle: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        list(entries_in(bundle))


def test_an_entry_has_at_most_65535_bytes() -> None:
    assert len(bundled(bytes(MAX_ENTRY_BYTES))) == MAX_ENTRY_BYTES + 2
    with pytest.raises(ValueError, match="too long"):
        bundled(bytes(MAX_ENTRY_BYTES + 1))
