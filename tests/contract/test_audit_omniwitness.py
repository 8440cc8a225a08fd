"""A real witness, transparency-dev's omniwitness, cosigns what our sealer sends, and refuses another history."""

import signal
import socket
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.audit.cosignatures import WitnessKey
from infra.audit.cosigning import Cosigning
from infra.audit.notes import ED25519, CheckpointSigner, key_id
from infra.audit.witnessing import HistoryDisputed, NotCosigned, Witness, open_client
from infra.local.servers.process import free_port
from tests.support import go
from tests.support.roles import RoleProcess, environment
from tests.support.sealing import SIGNER, empty_tree, execute, fill, seal
from tests.support.servers import Database
from tests.support.stores import open_store, rows
from tests.support.waiting import wait_until

NAME = "omniwitness.example/w1"
PACKAGE = "github.com/transparency-dev/witness/cmd/omniwitness"
COSIGNATURES = "SELECT size, line FROM log_cosignatures WHERE witness = %s ORDER BY size"
CHECKPOINT = "SELECT note FROM log_checkpoints WHERE size = %s"


class Omniwitness:
    """The program, with its memory in a file: it can be killed and started again."""

    def __init__(self, program: Path, folder: Path) -> None:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        secret = b64encode(bytes((ED25519,)) + private.private_bytes_raw()).decode()
        (folder / "secret").write_text(f"PRIVATE+KEY+{NAME}+{key_id(NAME, ED25519, public).hex()}+{secret}")
        log = f"Logs:\n  - Origin: {SIGNER.key.name}\n    URL: http://localhost/\n    PublicKey: {SIGNER.key}\n"
        (folder / "logs.yaml").write_text(log)
        self._port = free_port()
        self.witness = Witness(WitnessKey(NAME, public), f"http://127.0.0.1:{self._port}")
        self._command = [
            str(program),
            f"--private_key_path={folder / 'secret'}",
            f"--db_file={folder / 'memory'}",
            f"--additional_logs={folder / 'logs.yaml'}",
            f"--listen=127.0.0.1:{self._port}",
            "--metrics_listen=",
        ]

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run it meanwhile; at the end it is killed."""
        with subprocess.Popen(self._command, stderr=subprocess.DEVNULL) as process:
            try:
                wait_until(self._answers)
                yield
            finally:
                process.send_signal(signal.SIGKILL)

    def _answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self._port)) == 0


@pytest.fixture
def omniwitness(tmp_path: Path) -> Omniwitness:
    return Omniwitness(go.built("audit_omniwitness", PACKAGE), tmp_path)


def kept(database: Database, key: WitnessKey) -> list[int]:
    """The sizes that were cosigned; each cosignature is one of its checkpoint."""
    found = rows(database.admin_url, COSIGNATURES, str(key))
    for size, line in found:
        [(note,)] = rows(database.admin_url, CHECKPOINT, size)
        assert key.cosigned_at(f"{note}{line}").year > 2020
    return [size for size, _ in found]


async def ask(database: Database, witness: Witness) -> None:
    """Do what the sealer does, in a process that begins now."""
    async with open_store(database.part_url("sealer")) as opened, open_client() as client:
        cosigning = Cosigning(opened.database, SIGNER.key, [witness], client, lambda: True)
        await cosigning.begin_round()
        await cosigning.ask(witness)


def test_the_sealer_has_a_real_witness_cosign_the_log(
    omniwitness: Omniwitness, database: Database, tmp_path: Path
) -> None:
    """Also after both have been killed."""
    witness = omniwitness.witness
    settings = {"PALIMPSEST_LOG_WITNESSES": f"{witness.key} {witness.url}"}
    sealer = RoleProcess("sealer", {**environment(database, None, 8000, tmp_path), **settings}, tmp_path)
    for number, sizes in ((300, [300]), (400, [300, 700])):
        fill(database, number)
        with omniwitness.running():
            sealer.start()
            try:
                wait_until(lambda sizes=sizes: kept(database, witness.key) == sizes)  # type: ignore[misc]
            finally:
                sealer.kill()


async def test_a_real_witness_refuses_another_history(omniwitness: Omniwitness, database: Database) -> None:
    """Signed again with the stolen key, set back, or under another key."""
    fill(database, 300)
    seal(database)
    with omniwitness.running():
        await ask(database, omniwitness.witness)
        execute(database, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 7")
        for cosignatures in ("SELECT 1", "TRUNCATE log_cosignatures"):  # what it knew last may be removed, too
            fill(database, 100)
            empty_tree(database)
            seal(database)
            execute(database, cosignatures)
            with pytest.raises(HistoryDisputed, match="another history"):
                await ask(database, omniwitness.witness)
        execute(database, "DELETE FROM stored_events WHERE notification_id > 200")
        empty_tree(database)
        seal(database)
        with pytest.raises(HistoryDisputed, match="cosigned 300 events, and 200 are sealed"):
            await ask(database, omniwitness.witness)
    assert kept(database, omniwitness.witness.key) == []


async def test_a_log_that_a_real_witness_does_not_know_is_no_dispute(
    omniwitness: Omniwitness, database: Database
) -> None:
    signer = CheckpointSigner("another.example/log", bytes(32))
    fill(database, 3)
    seal(database, signer)
    async with open_store(database.part_url("sealer")) as opened, open_client() as client:
        cosigning = Cosigning(opened.database, signer.key, [omniwitness.witness], client, lambda: True)
        await cosigning.begin_round()
        with omniwitness.running(), pytest.raises(NotCosigned) as caught:
            await cosigning.ask(omniwitness.witness)
    assert caught.value.kind == "refused"
