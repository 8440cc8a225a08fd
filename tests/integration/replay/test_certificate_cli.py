"""`palimpsest audit certificate` as a program."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.replay.certificate import Certificate
from infra.sealing.key_ring import KeyKind, KeyRing
from tests.support.replaying import lengthened
from tests.support.roles import environment
from tests.support.sealing import SIGNER, execute, seal
from tests.support.servers import PROJECT, Database
from tests.support.stores import KEY_RING

Palimpsest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def palimpsest(database: Database, tmp_path: Path) -> Palimpsest:
    """Runs `palimpsest audit certificate`."""

    def run(*words: str, code: int = 0, **settings: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "audit", "certificate", *words],
            env={**environment(database, None, 8000, tmp_path), **settings},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        return done

    return run


async def test_an_auditor_makes_and_checks_a_certificate(
    database: Database, palimpsest: Palimpsest, tmp_path: Path
) -> None:
    file = tmp_path / "certificate"
    assert "0 events are sealed" in palimpsest(str(file), code=1).stderr
    last = await lengthened(database)
    seal(database)
    done = palimpsest(str(file))
    assert f"events: {last} of {last}" in done.stderr
    assert Certificate.open(file.read_text(), SIGNER.key).position == last

    checked = palimpsest("--check", str(file))
    assert f"The {last} events are those of the certificate" in checked.stdout
    without_log_key = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG)).document()
    palimpsest("--check", str(file), "--key", str(SIGNER.key), PALIMPSEST_KEYS=without_log_key)
    assert "The key document has no log key" in palimpsest(str(file), code=2, PALIMPSEST_KEYS=without_log_key).stderr

    palimpsest("--to", "2", str(file))
    assert Certificate.open(file.read_text(), SIGNER.key).position == 2
    assert "not sealed" in palimpsest("--to", "900", str(file), code=1).stderr


async def test_what_is_no_certificate_is_refused(database: Database, palimpsest: Palimpsest, tmp_path: Path) -> None:
    await lengthened(database)
    seal(database)
    file, missing = tmp_path / "certificate", tmp_path / "none" / "certificate"
    palimpsest(str(file))
    assert "cannot be written" in palimpsest(str(missing), code=2).stderr
    assert "cannot be read" in palimpsest("--check", str(missing), code=2).stderr
    assert "--to" in palimpsest("--check", "--to", "2", str(file), code=2).stderr
    assert "name+id+key" in palimpsest("--check", "--key", "x", str(file), code=2).stderr
    file.write_text(file.read_text().replace("rows 0", "rows 1"))
    assert "signature of the note is wrong" in palimpsest("--check", str(file), code=2).stderr
    execute(database, "UPDATE stored_events SET topic = 'note.other' WHERE notification_id = 1")
    assert "not the one that was signed" in palimpsest(str(file), code=1).stderr
