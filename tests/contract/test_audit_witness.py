"""A witness made of libraries that share no code with ours cosigns our log, and refuses another history."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.audit.continuity import HistoryRefused
from infra.audit.cosignatures import WitnessKey
from infra.audit.cosigned_once import cosigned_last
from infra.audit.notes import CheckpointSigner, NoteRefused
from infra.audit.witnessing import NotCosigned, SealedTree, Witness, cosignature, open_client
from infra.postgres.connect import connect
from infra.settings.audit import DEFAULT_ORIGIN
from tests.support import go
from tests.support.roles import environment
from tests.support.sealing import SIGNER, empty_tree, execute, fill, last_note, seal
from tests.support.servers import PROJECT, Database

CHANGE = "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 7"


@pytest.fixture
def witness() -> Iterator[Witness]:
    program = go.built("audit_witness")
    with subprocess.Popen([str(program), str(SIGNER.key)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        url, key = (running.stdout.readline().strip() for _ in range(2))
        try:
            yield Witness(WitnessKey.parse(key), url)
        finally:
            running.kill()


def ask(witness: Witness, database: Database) -> str:
    with connect(database.part_url("auditor")) as connection:
        return cosigned_last(connection, SIGNER.key, witness).note


async def cosigned(witness: Witness, note: str) -> str:
    """The line for a checkpoint of three events."""

    async def proof_from(_: int) -> list[bytes]:
        return []

    async with open_client() as client:
        return await cosignature(client, witness, SealedTree(3, note), 0, proof_from)


def grown(database: Database, number: int) -> None:
    fill(database, number)
    seal(database)


def test_a_witness_cosigns_a_log_as_it_grows(witness: Witness, database: Database) -> None:
    with pytest.raises(NotCosigned, match="nothing is sealed yet"):
        ask(witness, database)
    for number in (300, 400, 0, 1):
        grown(database, number)
        found = ask(witness, database)
        assert witness.key.cosigned_at(found).year > 2020
        assert SIGNER.key.open(found) == SIGNER.key.open(last_note(database))  # the signature of the log still counts
    with pytest.raises(NoteRefused, match="has not cosigned"):
        witness.key.cosigned_at(last_note(database))
    with pytest.raises(NoteRefused, match="cosignature of the witness is wrong"):
        witness.key.cosigned_at(found.replace("\n701\n", "\n702\n"))


def test_a_witness_refuses_a_history_that_was_signed_again(witness: Witness, database: Database) -> None:
    grown(database, 300)
    ask(witness, database)
    execute(database, CHANGE)
    empty_tree(database)
    grown(database, 400)
    with pytest.raises(NotCosigned, match="another history"):
        ask(witness, database)


def test_a_damaged_tree_is_not_sent(witness: Witness, database: Database) -> None:
    grown(database, 300)
    ask(witness, database)
    grown(database, 5)
    execute(database, "DELETE FROM log_edges WHERE level = 0")
    with pytest.raises(HistoryRefused, match="a tile is missing or damaged"):
        ask(witness, database)


def test_a_log_that_was_set_back_is_seen_by_its_witness(witness: Witness, database: Database) -> None:
    grown(database, 300)
    ask(witness, database)
    execute(database, "DELETE FROM stored_events WHERE notification_id > 200")
    empty_tree(database)
    seal(database)
    with pytest.raises(NotCosigned, match="it has cosigned 300 events, and 200 are sealed: the log was set back"):
        ask(witness, database)


async def test_a_witness_refuses_another_key(witness: Witness) -> None:
    other = CheckpointSigner(DEFAULT_ORIGIN, bytes(32)).sign(3, bytes(32))
    with pytest.raises(NotCosigned, match="signature of the log is not one of the key"):
        await cosigned(witness, other)


async def test_a_cosignature_of_another_key_and_a_witness_that_is_down_are_refused(
    witness: Witness, database: Database
) -> None:
    grown(database, 3)
    with pytest.raises(NotCosigned, match="no cosignature of its key"):
        await cosigned(Witness(WitnessKey(witness.key.name, bytes(32)), witness.url), last_note(database))
    for url in ("http://127.0.0.1:1", "nothing"):
        with pytest.raises(NotCosigned, match="does not answer"):
            await cosigned(Witness(witness.key, url), last_note(database))
    with pytest.raises(NotCosigned, match="does not know the log"):
        await cosigned(Witness(witness.key, f"{witness.url}/none"), last_note(database))


def test_the_command_keeps_the_cosigned_checkpoint(witness: Witness, database: Database, tmp_path: Path) -> None:
    grown(database, 300)
    file = tmp_path / "kept"

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "audit", *words],
            env=environment(database, None, 8000, tmp_path),
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )

    done = run("witness", witness.url, str(witness.key), str(file))
    assert (done.returncode, done.stdout) == (0, f"{witness.key.name} has cosigned the checkpoint of 300 events.\n")
    witness.key.cosigned_at(file.read_text())
    assert "in 2 checkpoints" in run("verify", "--checkpoint", str(file)).stdout
    execute(database, CHANGE)
    empty_tree(database)
    grown(database, 5)
    refused = run("witness", witness.url, str(witness.key), str(tmp_path / "other"))
    assert (refused.returncode, "another history" in refused.stderr) == (1, True)
    assert not (tmp_path / "other").exists()
    assert "WITNESS_KEY: the key is not written" in run("witness", witness.url, "abc", str(file)).stderr
