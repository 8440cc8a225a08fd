"""Programs that share no code with ours judge a log that a sealer has made: Go's sumdb, transparency-dev, tessera.

The log is written as a directory of C2SP tlog-tiles, from the tables.
"""

import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.audit.proving import proof_from, tiles_for_proof
from infra.audit.tiles import ENTRIES, WIDTH, TileId, entries_in, path_of, reader_of
from infra.audit.tree import HASH_BYTES, consistency_ranges, hashes_of
from tests.support import go
from tests.support.sealing import SIGNER, fill, notes, seal, stored_tiles
from tests.support.servers import Cluster, Database

SIZES = (1, 2, 255, 256, 257, 3_000, 65_536, 66_000)
PROVED = (0, 1, 255, 256, 40_000, 65_535, 65_536, 65_999)


@pytest.fixture(scope="module")
def judges() -> Path:
    """The program that checks a whole directory."""
    return go.built("audit_judges")


@pytest.fixture(scope="module")
def fsck() -> Path:
    """Tessera's program, which checks a whole log."""
    return go.built("audit_fsck", "github.com/transparency-dev/tessera/cmd/fsck")


@pytest.fixture(scope="module")
def sealed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that was sealed at several sizes, as a directory."""
    folder, size = tmp_path_factory.mktemp("sealed"), 0
    with cluster.database() as database:
        for until in SIZES:
            fill(database, until - size)
            size = seal(database)
        write_log(database, folder)
    return folder


@pytest.fixture
def log(sealed: Path, tmp_path: Path) -> Path:
    """A copy of the log for one test, to damage."""
    return Path(shutil.copytree(sealed, tmp_path / "log"))


def write_log(database: Database, folder: Path) -> None:
    tiles, signed = stored_tiles(database), notes(database)
    for tile, content in tiles.items():
        if content:
            write(folder / "tile" / path_of(tile, width(tile, content)), content)
    write(folder / "checkpoint", signed[-1].encode())
    write(folder / "key", str(SIGNER.key).encode())
    for note in signed:
        size, reader = SIGNER.key.open(note).size, reader_of(tiles)
        hashes = hashes_of(consistency_ranges(size, SIZES[-1]), reader)
        write(folder / "older" / str(size), note.encode())
        write(folder / "consistency" / str(size), b"\n".join(map(b64encode, hashes)))
    for index in PROVED:
        found = {tile: tiles[tile] for tile in tiles_for_proof(index, SIZES[-1])}
        write(folder / "proofs" / f"{index}.tlog-proof", str(proof_from(found, index, signed[-1])).encode())


def width(tile: TileId, content: bytes) -> int:
    return len(list(entries_in(content))) if tile.level == ENTRIES else len(content) // HASH_BYTES


def write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def judged(program: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(program), str(folder)], capture_output=True, text=True, timeout=120, check=False)


def test_libraries_of_others_agree_with_tree_checkpoints_and_proofs(judges: Path, log: Path) -> None:
    done = judged(judges, log)
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout.splitlines()
    assert "ok tlog.TreeHash of 66000 leaves from authenticated tiles" in said
    assert "ok tlog.RecordHash of 66000 entries" in said
    for index in PROVED:
        for check in ("tlog.CheckRecord", "proof.VerifyInclusion", "tlog.ProveRecord"):
            assert f"ok {check} {index}" in said
    for size in SIZES:
        for check in ("tlog.CheckTree", "proof.VerifyConsistency", "tlog.ProveTree"):
            assert f"ok {check} {size}" in said


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage",
    [
        lambda log: flip(log / "tile" / path_of(TileId(0, 100))),
        lambda log: flip(log / "tile" / path_of(TileId(ENTRIES, 100))),
        lambda log: flip(log / "tile" / path_of(TileId(1, 1), 66_000 // WIDTH - WIDTH)),
        lambda log: write(log / "checkpoint", (log / "checkpoint").read_bytes().replace(b"\n66000\n", b"\n65999\n")),
        lambda log: write(log / "consistency" / "3000", (log / "consistency" / "257").read_bytes()),
        lambda log: write(
            log / "proofs" / "1.tlog-proof", (log / "proofs" / "0.tlog-proof").read_bytes().replace(b"x 0", b"x 1")
        ),
        lambda log: write(log / "key", (log / "key").read_bytes().replace(b"palimpsest", b"another")),
    ],
)
def test_the_judges_refuse_what_was_changed(judges: Path, log: Path, damage: Callable[[Path], None]) -> None:
    damage(log)
    done = judged(judges, log)
    assert (done.returncode, "FAIL" in done.stdout) == (1, True), done.stdout + done.stderr


def test_tesseras_fsck_finds_the_whole_log_in_order(fsck: Path, log: Path) -> None:
    root = SIGNER.key.open((log / "checkpoint").read_text()).root
    assert f"Successfully fsck'd log with size 66000 and root {b64encode(root).decode()}" in said_by(fsck, log)


@pytest.mark.parametrize("tile", [TileId(0, 100), TileId(ENTRIES, 100), TileId(1, 0)])
def test_tesseras_fsck_refuses_what_was_changed(fsck: Path, log: Path, tile: TileId) -> None:
    flip(log / "tile" / path_of(tile))
    assert "fsck failed: " in said_by(fsck, log)


def said_by(fsck: Path, log: Path) -> str:
    """Run fsck, and return what it says: its exit code is 0 whatever it finds.

    A worker of it that finds a damage ends, and with one worker alone it would wait for ever.
    """
    command = [str(fsck), "--ui=false", "--N=4", f"--storage_url=file://{log}/", f"--public_key={log / 'key'}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False).stderr
