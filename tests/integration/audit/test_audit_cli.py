"""`palimpsest audit`, and the verifier that works offline, as programs."""

import asyncio
import json
import subprocess
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from domain.identity.user import User
from infra.audit import check_proof
from infra.audit.cosigned_rows import ADD
from infra.sealing.key_ring import KeyKind, KeyRing
from tests.support.given import NOW
from tests.support.roles import environment
from tests.support.sealing import SIGNER, empty_tree, execute, fill, last_note, seal
from tests.support.servers import PROJECT, Database
from tests.support.stores import CALL, KEY_RING, open_store, rows
from tests.support.witness_server import WitnessServer

Palimpsest = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def palimpsest(database: Database, tmp_path: Path) -> Palimpsest:
    """Runs `palimpsest audit` on a log of which 300 events are sealed and two are not."""
    fill(database, 300)
    seal(database)
    fill(database, 2)

    def run(*words: str, code: int = 0, **settings: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "audit", *words],
            env={**environment(database, None, 8000, tmp_path), **settings},
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        return done

    return run


def offline(folder: Path, *words: str, code: int = 0) -> str:
    """Run the verifier alone: a copy of the file, without our packages, in an empty folder."""
    program = folder / "check_proof.py"
    program.write_bytes(Path(check_proof.__file__).read_bytes())
    done = subprocess.run(
        [sys.executable, "-I", str(program), *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    return done.stdout + done.stderr


def test_a_proof_is_checked_offline(palimpsest: Palimpsest, database: Database, tmp_path: Path) -> None:
    key = palimpsest("key").stdout.strip()
    assert key == str(SIGNER.key)
    proof = palimpsest("prove", "123").stdout
    file, event = tmp_path / "123.tlog-proof", tmp_path / "event"
    file.write_text(proof)
    [(state, stream_id)] = rows(
        database.admin_url, "SELECT state, originator_id FROM stored_events WHERE notification_id = 123"
    )
    event.write_bytes(state)
    found = offline(tmp_path, key, str(file), str(event))
    assert found.startswith("Position 123 of 300 in the log palimpsest.localhost/log: note.extended, version 3 of the")
    assert str(stream_id) in found

    event.write_bytes(state + b"x")
    assert "bytes of the event at position 123 are not those of its leaf" in offline(
        tmp_path, key, str(file), str(event), code=1
    )
    entry = b64decode(proof.split("\n")[1].removeprefix("extra "))
    forged = entry[:1] + (124).to_bytes(8, "big") + entry[9:]
    file.write_text(proof.replace(b64encode(entry).decode(), b64encode(forged).decode()))
    assert "not in the log" in offline(tmp_path, key, str(file), code=1)
    file.write_text(proof.replace("\n300\n", "\n301\n"))
    assert "signature is wrong" in offline(tmp_path, key, str(file), code=1)
    file.write_text(proof.replace("index 122", "index 121"))
    assert "not in the log" in offline(tmp_path, key, str(file), code=1)
    assert "KEY FILE.tlog-proof" in offline(tmp_path, code=2)


@pytest.mark.parametrize("position", [1, 256, 257, 300])
def test_any_sealed_event_can_be_proved(palimpsest: Palimpsest, position: int) -> None:
    proof = palimpsest("prove", str(position)).stdout
    assert f"Position {position} of 300" in check_proof.check(str(SIGNER.key), proof)


def test_what_is_not_sealed_cannot_be_proved(palimpsest: Palimpsest, database: Database) -> None:
    assert "Position 301 is not sealed: 300 events are." in palimpsest("prove", "301", code=1).stderr
    execute(database, "DELETE FROM log_tiles")
    assert "cannot be proved" in palimpsest("prove", "7", code=1).stderr
    execute(database, "UPDATE log_checkpoints SET note = 'nothing'")
    assert "cannot be proved: the last checkpoint is damaged" in palimpsest("prove", "7", code=1).stderr


def test_proof_export_and_store_are_checked_with_the_witnesses_that_the_auditor_trusts(
    palimpsest: Palimpsest, database: Database, tmp_path: Path
) -> None:
    one, two = WitnessServer("one.example"), WitnessServer("two.example")
    execute(database, ADD, 300, str(one.key), one.line(last_note(database)), NOW)
    asked = ["--witness", str(one.key), "--witness", str(two.key), "--quorum"]
    said = "one.example has cosigned the checkpoint of 300 events, at 2026-11-30T12:05:00+00:00."
    proof, export = tmp_path / "123.tlog-proof", tmp_path / "export"
    proof.write_text(palimpsest("prove", "123", *asked, "1").stdout)
    palimpsest("export", str(export), *asked, "1")
    for file in (proof, export):
        assert said in offline(tmp_path, str(SIGNER.key), str(file), *asked, "1")
        assert "1 of your witnesses" in offline(tmp_path, str(SIGNER.key), str(file), *asked, "2", code=1)
    verified = palimpsest("verify", *asked, "1").stdout
    assert "1 cosignatures of witnesses are of these checkpoints.\n" in verified
    assert "one.example has cosigned the first 300 events, at 2026-11-30T12:05:00+00:00.\n" in verified
    refused = [
        palimpsest(*words, *asked, "2", code=1) for words in (["prove", "1"], ["export", str(export)], ["verify"])
    ]
    words = "2 of 2 witnesses have cosigned no checkpoint that covers position 1."
    assert all(words in each.stderr for each in refused)


def test_an_export_is_checked_offline(palimpsest: Palimpsest, tmp_path: Path) -> None:
    file = tmp_path / "log.jsonl"
    assert palimpsest("export", "--events", str(file)).stderr == "300 events are exported.\n"
    assert file.stat().st_mode & 0o777 == 0o600
    said = "Positions {} to 300 of 300 in the log palimpsest.localhost/log, complete: {} streams.\n"
    assert offline(tmp_path, str(SIGNER.key), str(file)) == said.format(1, 60)
    file.write_text(palimpsest("export", "--from", "296", "-").stdout)
    assert offline(tmp_path, str(SIGNER.key), str(file)) == said.format(296, 1)

    assert "300 events are sealed" in palimpsest("export", "--to", "301", str(file), code=1).stderr
    assert "cannot be written" in palimpsest("export", str(tmp_path / "none" / "log"), code=2).stderr
    assert {each.name for each in tmp_path.iterdir() if "draft" in each.name} == set()


def test_verify_says_what_was_verified_or_the_first_wrong_position(
    palimpsest: Palimpsest, database: Database, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    kept.write_text(last_note(database))
    all_is_well = "300 events are those that were signed, in 1 checkpoints. 2 later events are not sealed yet.\n"
    assert palimpsest("verify").stdout == all_is_well
    assert "in 2 checkpoints" in palimpsest("verify", "--checkpoint", str(kept)).stdout
    # An auditor needs no keys of ours, only the public one.
    lone = {"PALIMPSEST_KEYS": "", "PALIMPSEST_KEYS_FILE": str(tmp_path / "none")}
    assert palimpsest("verify", "--key", str(SIGNER.key), **lone).stdout == all_is_well
    assert "does not exist" in palimpsest("verify", code=2, **lone).stderr
    for options in ([], ["--checkpoint", str(kept)]):
        renamed = palimpsest("verify", *options, code=2, PALIMPSEST_LOG_ORIGIN="api.example.com/log").stderr
        assert "PALIMPSEST_LOG_ORIGIN=palimpsest.localhost/log" in renamed
    execute(database, "UPDATE stored_events SET state = ''::bytea WHERE notification_id = 77")
    assert "Position 77: the stored bytes of the event were changed" in palimpsest("verify", code=1).stderr


def test_a_log_of_which_nothing_is_sealed_is_not_called_verified(
    palimpsest: Palimpsest, database: Database, tmp_path: Path
) -> None:
    """By itself an emptied tree is like one that no sealer has begun; a checkpoint that was kept tells them apart."""
    kept = tmp_path / "kept"
    kept.write_text(last_note(database))
    empty_tree(database)
    said = palimpsest("verify", code=1).stderr
    assert said.startswith("None of 302 events is sealed")
    assert "If no sealer has run yet, this is no damage: start one" in said
    assert (
        "Position 1: a tree of 300 events was signed" in palimpsest("verify", "--checkpoint", str(kept), code=1).stderr
    )


def test_wrong_input_is_explained(palimpsest: Palimpsest, tmp_path: Path) -> None:
    file = tmp_path / "kept"
    file.write_text("nothing")
    assert "is not a checkpoint of this log" in palimpsest("verify", "--checkpoint", str(file), code=2).stderr
    assert "cannot be read" in palimpsest("verify", "--checkpoint", str(tmp_path / "none"), code=2).stderr
    assert "--key: the key is not written as name+id+key" in palimpsest("verify", "--key", "abc", code=2).stderr
    without = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG)).document()
    assert "has no log key" in palimpsest("key", code=2, PALIMPSEST_KEYS=without).stderr
    assert json.loads(without)["keys"]


def test_an_auditor_is_appointed_and_dismissed(palimpsest: Palimpsest, database: Database) -> None:
    asyncio.run(_open_account(database.app_url))
    refused = palimpsest("appoint", "bob@example.org", "--reason", "Who?", code=2)
    assert "No account has this email address" in refused.stderr
    refused = palimpsest("appoint", "ada@example.org", "--reason", "   ", code=2)
    assert "A reason has 1 to 500 characters" in refused.stderr
    for _ in range(2):
        assert "audit:read" in palimpsest("appoint", "ada@example.org", "--reason", "Reviews the year.").stdout
    assert "all their sessions have ended" in palimpsest("dismiss", "ada@example.org", "--reason", "Done.").stdout
    found = rows(database.admin_url, "SELECT topic FROM stored_events ORDER BY notification_id DESC LIMIT 3")
    assert [topic for (topic,) in found] == ["user.auditor_dismissed", "user.auditor_appointed", "user.email_verified"]


async def _open_account(url: str) -> None:
    user = User.register(id=UUID(int=0xADA), email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.request_link("verify", link_id=UUID(int=1), token_digest="digest", now=NOW)
    user.verify_email(token_digest="digest", now=NOW)
    async with open_store(url) as opened:
        await opened.store.append([user], CALL, None)
