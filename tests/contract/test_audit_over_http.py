"""A program that shares no code with ours reads a whole log over HTTP, and checks it: the client of tessera."""

import asyncio
import subprocess
from pathlib import Path

import pytest

from infra.audit.sealed_log import PostgresSealedLog
from tests.support import go
from tests.support.api import served
from tests.support.http import open_http_api
from tests.support.sealing import SIGNER, execute, fill, last_note, seal
from tests.support.servers import Database
from tests.support.stores import open_store

SIZE = 3_000
CHANGE = "UPDATE log_tiles SET content = sha256('') || substr(content, 33) WHERE level = 0 AND number = 7"


@pytest.fixture(scope="module")
def reader() -> Path:
    """The program that reads a log over HTTP."""
    return go.built("audit_reader")


async def test_tesseras_client_reads_the_whole_log_and_finds_it_changed(
    reader: Path, database: Database, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    fill(database, 300)
    seal(database)
    kept.write_text(last_note(database))
    fill(database, SIZE - 300)
    seal(database)
    async with (
        open_store(database.part_url("api")) as opened,
        open_http_api(log=PostgresSealedLog(opened.database)) as api,
        served(api.app) as url,
    ):
        command = [str(reader), f"{url}/v1/log/", str(SIGNER.key), str(kept)]
        said = await asyncio.to_thread(judged, command)
        assert "ok the log continues the older checkpoint" in said.stdout, said.stdout + said.stderr
        assert f"ok the root of {SIZE} leaves" in said.stdout
        assert f"ok proofs for {SIZE} leaves" in said.stdout
        assert said.returncode == 0

        execute(database, CHANGE)
        changed = await asyncio.to_thread(judged, command)
        assert (changed.returncode, "FAIL" in changed.stdout) == (1, True), changed.stdout


def judged(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
