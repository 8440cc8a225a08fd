"""Who checks decides which witnesses count, and how many: in our commands, and in the verifier of one file."""

import json
from base64 import b64encode
from pathlib import Path
from uuid import UUID

import pytest

from infra.audit import check_proof
from infra.audit.check_proof import ProofError, Witnesses
from infra.audit.growing_tree import GrowingTree
from infra.audit.notes import NoteRefused
from infra.audit.proof_file import EntryProof
from infra.audit.published import CosignatureTime, WitnessPolicy
from infra.cli.log_access import policy_of
from infra.errors import SetupError
from infra.store.audit_leaf import leaf
from tests.support.given import NOW
from tests.support.sealing import SIGNER
from tests.support.witness_server import WitnessServer

KEY = str(SIGNER.key)
ENTRY = leaf(1, UUID(int=5), 1, "note.written", b"state", NOW)
ONE, TWO, STRANGER = (WitnessServer(f"{name}.example/w") for name in ("one", "two", "stranger"))
ONE_KEY, TWO_KEY = str(ONE.key), str(TWO.key)
SAID = "one.example/w has cosigned the checkpoint of 1 events, at 2026-11-30T12:05:00+00:00."


def signed(entry: bytes = ENTRY) -> str:
    tree = GrowingTree()
    tree.extend([entry])
    return SIGNER.sign(tree.size, tree.root())


NOTE = signed()
COSIGNED = NOTE + ONE.line(NOTE) + STRANGER.line(NOTE)
FALSE = NOTE + ONE.line(signed(b"another"))


def proof(note: str) -> str:
    return str(EntryProof(ENTRY, 0, [], note))


def export(note: str) -> list[str]:
    head = {"format": "palimpsest-log-export/1", "first": 1, "last": 1, "hashes": [], "checkpoint": note}
    return [json.dumps(head), json.dumps({"leaf": b64encode(ENTRY).decode()})]


def test_the_verifier_asks_for_the_witnesses_that_the_reader_trusts() -> None:
    trusted = Witnesses([ONE_KEY])
    assert check_proof.check(KEY, proof(COSIGNED), None, trusted).startswith(f"{SAID}\nPosition 1 of 1")
    assert SAID in check_proof.check_export(KEY, export(COSIGNED), witnesses=trusted)
    assert SAID in check_proof.check_checkpoint(KEY, COSIGNED, trusted)
    for without in (NOTE, NOTE + STRANGER.line(NOTE)):
        with pytest.raises(ProofError, match="0 of your witnesses have cosigned the checkpoint, and not 1"):
            check_proof.check(KEY, proof(without), None, trusted)
        with pytest.raises(ProofError, match="0 of your witnesses"):
            list(check_proof.check_export(KEY, export(without), witnesses=trusted))
        with pytest.raises(ProofError, match="0 of your witnesses"):
            list(check_proof.check_checkpoint(KEY, without, trusted))


def test_a_quorum_says_how_many_of_the_witnesses_are_enough() -> None:
    both = [ONE_KEY, TWO_KEY]
    assert Witnesses(both, 1).require(COSIGNED) == [SAID]
    for quorum in (2, None):
        with pytest.raises(ProofError, match="1 of your witnesses have cosigned the checkpoint, and not 2"):
            Witnesses(both, quorum).require(COSIGNED)
    assert len(Witnesses(both).require(COSIGNED + TWO.line(NOTE))) == 2
    with pytest.raises(ProofError, match="there are 1 witnesses to choose from"):
        Witnesses([ONE_KEY, ONE_KEY], 2)  # one witness does not count twice
    with pytest.raises(ProofError, match="there are 0 witnesses"):
        Witnesses([], 1)
    with pytest.raises(ProofError, match="not an Ed25519 key of a witness"):
        Witnesses([KEY])


def test_the_verifier_as_a_program(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run(text: str, *words: str, code: int = 0) -> str:
        file = tmp_path / "file"
        file.write_text(text)
        assert check_proof.main([KEY, str(file), *words]) == code
        said = capsys.readouterr()
        return said.out + said.err

    root = NOTE.split("\n")[2]
    checkpoint = f"Checkpoint of 1 events in the log palimpsest.localhost/log, with the root {root}\n"
    assert run(NOTE) == checkpoint
    assert run(COSIGNED, "--witness", ONE_KEY) == f"{SAID}\n{checkpoint}"
    assert run(COSIGNED, "--witness", ONE_KEY, "--witness", TWO_KEY, "--quorum", "1") == f"{SAID}\n{checkpoint}"
    assert "and not 2" in run(COSIGNED, "--witness", ONE_KEY, "--witness", TWO_KEY, code=1)
    assert run(FALSE, "--witness", ONE_KEY, code=1) == "Not proved: a signature is wrong.\n"
    assert "invalid literal" in run(COSIGNED, "--witness", ONE_KEY, "--quorum", code=1)
    assert "5 is one argument too many for a checkpoint" in run(NOTE, "5", code=1)
    assert "6 is one argument too many." in run(NOTE, "5", "6", code=1)
    kept = tmp_path / "kept"
    kept.write_text(COSIGNED)
    said = run("\n".join(export(COSIGNED)), "--kept", str(kept), "--witness", ONE_KEY)
    assert said.splitlines()[:3] == [SAID, SAID, "The log continues the checkpoint of 1 events that was kept."]
    assert "Only an export" in run(proof(NOTE), "--kept", str(kept), code=1)


@pytest.mark.parametrize("quorum", [0, -1])
def test_a_quorum_below_one_of_the_witnesses_would_ask_for_nothing_and_is_refused(quorum: int) -> None:
    with pytest.raises(ProofError, match="--quorum: at least 1 of the witnesses must have cosigned"):
        Witnesses([ONE_KEY], quorum)
    with pytest.raises(SetupError, match="--quorum: at least 1 of the witnesses must have cosigned"):
        policy_of([ONE_KEY], quorum)


def test_our_commands_ask_for_the_same() -> None:
    policy = policy_of([ONE_KEY, TWO_KEY], 1)
    [(name, at)] = policy.cosigned(COSIGNED)
    assert (name, at.isoformat()) == ("one.example/w", "2026-11-30T12:05:00+00:00")
    assert policy.cosigned(COSIGNED) == [CosignatureTime(name, at)]
    assert policy.is_met(COSIGNED)
    assert not policy.is_met(NOTE)
    assert not policy.is_met(FALSE)
    assert not policy_of([ONE_KEY, TWO_KEY], None).is_met(COSIGNED)
    assert policy_of(None, None) == policy_of(None, 0) == WitnessPolicy([], 0)
    assert policy_of([ONE_KEY, ONE_KEY], None).quorum == 1
    with pytest.raises(SetupError, match="--quorum: there are 1 witnesses"):
        policy_of([ONE_KEY], 2)
    with pytest.raises(SetupError, match="--witness: the key is not"):
        policy_of([KEY], None)


def test_a_false_cosignature_beside_a_right_one_makes_both_worthless() -> None:
    both = NOTE + ONE.line(NOTE) + ONE.line(signed(b"another"))
    with pytest.raises(NoteRefused, match="cosignature of the witness is wrong"):
        ONE.key.cosigned_at(both)
    later = WitnessServer(ONE.name, time=ONE.time + 60)
    assert ONE.key.cosigned_at(NOTE + later.line(NOTE) + ONE.line(NOTE)).timestamp() == ONE.time + 60
