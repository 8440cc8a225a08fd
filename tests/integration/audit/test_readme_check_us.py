"""The README's chapter "Check us" is true: each command is run, and prints what is written there."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.audit import check_proof
from infra.audit.cosigning import Cosigning
from infra.audit.sealed_log import PostgresSealedLog
from infra.audit.witnessing import HistoryDisputed, open_client
from tests.support.api import served
from tests.support.http import open_http_api
from tests.support.roles import environment
from tests.support.sealing import SIGNER, empty_tree, execute, fill, seal
from tests.support.servers import PROJECT, Database
from tests.support.stores import KEYS, open_store
from tests.support.witness_server import WitnessServer, witness_server

ADDRESS = "https://api.example.com"
MONTHS_LATER = 90 * 86_400
CHANGE = "UPDATE stored_events SET state = state || 'x'::bytea WHERE notification_id = 7"


def chapter() -> str:
    found = re.search(r"\n## Check us\n(.*?)\n## ", (PROJECT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def steps(text: str) -> Iterator[list[tuple[str, str]]]:
    """The commands of each block, each with what it prints."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
        yield [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


async def happened(database: Database, witness: WitnessServer, block: int) -> None:
    """Do what the text says between two blocks."""
    if block == 0:
        fill(database, 300)
        seal(database)
        await cosign(database, witness)
    elif block == 1:
        fill(database, 400)
        seal(database)
        witness.time += MONTHS_LATER
        await cosign(database, witness)
    elif block == 4:
        execute(database, CHANGE)
    elif block == 5:
        empty_tree(database)
        execute(database, "TRUNCATE log_cosignatures")
        seal(database)
        with pytest.raises(HistoryDisputed):
            await cosign(database, witness)


async def cosign(database: Database, witness: WitnessServer) -> None:
    """Do what the sealer does."""
    async with open_store(database.part_url("sealer")) as opened, open_client() as client:
        cosigning = Cosigning(opened.database, SIGNER.key, [witness.witness], client, lambda: True)
        await cosigning.begin_round()
        await cosigning.ask(witness.witness)


async def test_an_auditor_can_do_what_the_readme_says(database: Database, tmp_path: Path) -> None:
    shutil.copy(check_proof.__file__, tmp_path)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    of_operator = {**environment(database, None, 8000, tmp_path / "data"), "PATH": path}
    of_auditor = {name: value for name, value in of_operator.items() if name not in KEYS}
    with witness_server() as witness:
        (tmp_path / "witness").write_text(f"{witness.key}\n")
        await require_true(database, witness, tmp_path, of_operator, of_auditor)


async def require_true(
    database: Database,
    witness: WitnessServer,
    folder: Path,
    of_operator: dict[str, str],
    of_auditor: dict[str, str],
) -> None:
    async with (
        open_store(database.part_url("api")) as opened,
        open_http_api(log=PostgresSealedLog(opened.database)) as api,
        served(api.app) as url,
    ):
        blocks = list(steps(chapter()))
        assert len(blocks) == 6
        for number, block in enumerate(blocks):
            await happened(database, witness, number)
            for command, printed in block:
                variables = of_operator if command.startswith("palimpsest audit key") else of_auditor
                said = await asyncio.to_thread(run, command.replace(ADDRESS, url), folder, variables)
                assert said == printed, command


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=variables, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr.lstrip("\n")
