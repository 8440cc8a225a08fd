"""Notes, checkpoints and proof files are those of C2SP: its own examples, and forgeries of ours."""

from base64 import b64decode, b64encode
from collections.abc import Callable

import pytest
from cryptography.exceptions import InvalidSignature

from infra.audit import check_proof, notes
from infra.audit.growing_tree import GrowingTree
from infra.audit.notes import CheckpointSigner, LogCheckpoint, NoteRefused, VerifierKey
from infra.audit.proof_file import EntryProof
from infra.audit.tiles import reader_of
from infra.audit.tree import hashes_of, inclusion_ranges

FOO = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
FOO_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)
"""The example of C2SP signed-note: a key, and a note that it has signed."""
SOFA = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
"""The example of C2SP tlog-checkpoint."""

SIGNER = CheckpointSigner("palimpsest.example/log", bytes(range(32)))
ROOT = bytes(range(32))
OTHER = CheckpointSigner("palimpsest.example/log", bytes(32))


def test_the_example_of_a_signed_note() -> None:
    key = VerifierKey.parse(FOO)
    assert str(key) == FOO
    with pytest.raises(NoteRefused, match="not a checkpoint"):  # the signature is right: what it signs is no checkpoint
        key.open(FOO_NOTE)
    with pytest.raises(NoteRefused, match="signature of the note is wrong"):
        key.open(FOO_NOTE.replace("message", "massage"))


def test_the_example_of_a_checkpoint() -> None:
    found = LogCheckpoint.parse(SOFA)
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert found.text == SOFA
    assert LogCheckpoint.parse(f"{SOFA}an extension\n") == found


def test_a_signed_checkpoint_opens_with_its_key_only() -> None:
    note = SIGNER.sign(1000, ROOT)
    assert SIGNER.key.open(note) == LogCheckpoint("palimpsest.example/log", 1000, ROOT)
    with pytest.raises(NoteRefused, match="not signed by the key of the log"):
        OTHER.key.open(note)


def test_further_signatures_do_not_disturb() -> None:
    note = f"{SIGNER.sign(7, ROOT)}— witness.example/w1 {b64encode(bytes(76)).decode()}\n"
    assert SIGNER.key.open(note).size == 7


def test_a_wrong_signature_of_the_key_makes_a_note_worthless() -> None:
    bad = b64encode(SIGNER.key.id + bytes(64)).decode()
    with pytest.raises(NoteRefused, match="wrong"):
        SIGNER.key.open(f"{SIGNER.sign(7, ROOT)}— {SIGNER.key.name} {bad}\n")


def test_a_checkpoint_of_another_origin_is_refused() -> None:
    """A key that signs for two logs would otherwise let one pass for the other."""
    text = LogCheckpoint("another.example/log", 7, ROOT).text
    signature = b64encode(SIGNER.key.id + SIGNER._private.sign(text.encode())).decode()
    with pytest.raises(NoteRefused, match="another log"):
        SIGNER.key.open(f"{text}\n— {SIGNER.key.name} {signature}\n")


@pytest.mark.parametrize(
    "change",
    [
        lambda note: note.replace("\n1000\n", "\n1001\n"),
        lambda note: note.replace("\n1000\n", "\n01000\n"),
        lambda note: note.replace("\n\n", "\n"),
        lambda note: note.rstrip("\n"),
        lambda note: note.replace("— ", "- "),
        lambda note: note.replace("\n1000\n", "\n1000\r\n"),
        lambda note: note[: note.index("\n\n") + 2],
        lambda note: note + "x" * notes.MAX_NOTE_BYTES + "\n",
        lambda note: "",
    ],
)
def test_a_changed_note_is_refused(change: object) -> None:
    with pytest.raises(NoteRefused):
        SIGNER.key.open(change(SIGNER.sign(1000, ROOT)))  # type: ignore[operator]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"\n1\n{b64encode(ROOT).decode()}\n",
        f"a\n-1\n{b64encode(ROOT).decode()}\n",
        f"a\n01\n{b64encode(ROOT).decode()}\n",
        f"a\n1\n{b64encode(ROOT[:31]).decode()}\n",
        f"a\n1\n{b64encode(ROOT).decode()[:-2]}9=\n",
    ],
)
def test_another_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(NoteRefused):
        LogCheckpoint.parse(text)


@pytest.mark.parametrize(
    "key",
    [
        "",
        "name",
        "a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        FOO.replace("530d903a", "530d903b"),
        FOO.replace("+Ae", "+Be"),
        FOO[:-4],
    ],
)
def test_another_text_is_no_key(key: str) -> None:
    with pytest.raises(NoteRefused):
        VerifierKey.parse(key)


def proof_of(index: int, entries: list[bytes]) -> EntryProof:
    tree = GrowingTree()
    tree.extend(entries)
    hashes = hashes_of(inclusion_ranges(index, tree.size), reader_of(tree.tiles()))
    return EntryProof(entries[index], index, hashes, SIGNER.sign(tree.size, tree.root()))


@pytest.mark.parametrize("index", [0, 7])
def test_a_proof_file_is_as_the_format_says(index: int) -> None:
    proof = proof_of(index, [b"entry %d" % number for number in range(8)])
    first, extra, place, *hashes, blank = str(proof).removesuffix(proof.checkpoint).split("\n")[:-1]
    assert (first, place, blank) == ("c2sp.org/tlog-proof@v1", f"index {index}", "")
    assert b64decode(extra.removeprefix("extra ")) == b"entry %d" % index
    assert [b64decode(each) for each in hashes] == proof.hashes
    assert len(hashes) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("tlog-proof@v1", "tlog-proof@v2"),
        lambda text: text.replace("extra ", "extra !"),
        lambda text: text.replace("extra ", "more "),
        lambda text: text.replace("index 3", "index 4"),
        lambda text: text.replace("index 3\n", "index 3\nAAAA\n"),
        lambda text: text.replace("\n10\n", "\n11\n"),
        lambda text: "c2sp.org/tlog-proof@v1\n",
        lambda text: "",
    ],
)
def test_the_offline_verifier_refuses_another_text(change: Callable[[str], str]) -> None:
    text = str(proof_of(3, [b"%d" % number for number in range(10)]))
    with pytest.raises((check_proof.ProofError, InvalidSignature, ValueError, IndexError)):
        check_proof.check(str(SIGNER.key), change(text))
