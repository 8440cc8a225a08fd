"""An export of a range of the log is checked without network, by one file that knows nothing of Palimpsest."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidSignature

from infra.audit import check_proof, export
from infra.audit.continuity import HistoryRefused
from infra.audit.export import ExportRange, OutsideOfLog
from infra.audit.notes import CheckpointSigner
from infra.postgres.connect import connect
from infra.settings.audit import DEFAULT_ORIGIN
from tests.support.sealing import SIGNER, empty_tree, execute, fill, last_note, seal
from tests.support.servers import Database
from tests.support.stores import rows

KEY = str(SIGNER.key)
STREAM_AT = "SELECT originator_id FROM stored_events WHERE notification_id = %s"


@pytest.fixture
def log(database: Database) -> Database:
    """A log of 700 events that was sealed at 300, too, and two events that are not sealed."""
    for number in (300, 400):
        fill(database, number)
        seal(database)
    fill(database, 2)
    return database


def exported(database: Database, first: int = 1, last: int | None = None, *, events: bool = False) -> list[str]:
    lines = list[str]()
    with connect(database.part_url("auditor")) as connection:
        export.export(
            connection, SIGNER.key, ExportRange(first, last), lines.append, lambda done, goal: None, events=events
        )
    return lines


def checked(lines: list[str], stream: UUID | None = None, kept: str | None = None) -> list[str]:
    return list(check_proof.check_export(KEY, lines, stream, kept))


@pytest.mark.parametrize(("first", "last"), [(1, 700), (1, 1), (256, 257), (257, 512), (301, 700), (700, 700)])
def test_an_export_proves_itself(log: Database, first: int, last: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "PAGE_TILES", 1)
    monkeypatch.setattr(export, "PAGE_EVENTS", 100)
    for events in (False, True):
        lines = exported(log, first, last, events=events)
        assert len(lines) == last - first + 2
        assert f"Positions {first} to {last} of 700 in the log {DEFAULT_ORIGIN}, complete" in checked(lines)[-1]


def test_all_events_of_a_stream_are_listed(log: Database) -> None:
    [(stream,)] = rows(log.admin_url, STREAM_AT, 300)
    said = checked(exported(log), stream)
    assert [line.split()[0] for line in said[:5]] == ["296", "297", "298", "299", "300"]
    assert said[5] == f"The stream {stream} has 5 events at the positions 1 to 700, and no other."
    assert said[6].endswith("complete: 140 streams.")
    assert "has 2 events at the positions 299 to 310" in "\n".join(checked(exported(log, 299, 310), stream))


def forge(leaf: Callable[[dict[str, str]], object]) -> Callable[[list[str]], list[str]]:
    def forged(lines: list[str]) -> list[str]:
        line = json.loads(lines[9])
        leaf(line)
        return [*lines[:9], json.dumps(line), *lines[10:]]

    return forged


def later(leaf: str) -> str:
    entry = bytearray(b64decode(leaf))
    entry[16] ^= 1
    return b64encode(entry).decode()


FORGERIES: dict[str, Callable[[list[str]], list[str]]] = {
    "an event is left out": lambda lines: [*lines[:9], *lines[10:]],
    "the last event is left out": lambda lines: lines[:-1],
    "an event is added": lambda lines: [*lines, lines[-1]],
    "two events are swapped": lambda lines: [*lines[:8], lines[9], lines[8], *lines[10:]],
    "an event is changed": forge(lambda line: line.update(event="AAAA")),
    "the time of a leaf is changed": forge(lambda line: line.update(leaf=later(line["leaf"]))),
    "fewer positions are claimed": lambda lines: [lines[0].replace('"last": 700', '"last": 699'), *lines[1:]],
    "other positions are claimed": lambda lines: [lines[0].replace('"first": 1', '"first": 2'), *lines[1:]],
    "the checkpoint is changed": lambda lines: [lines[0].replace("\\n700\\n", "\\n699\\n"), *lines[1:]],
}


@pytest.mark.parametrize("forgery", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_export_is_refused(log: Database, forgery: Callable[[list[str]], list[str]]) -> None:
    with pytest.raises((check_proof.ProofError, InvalidSignature, ValueError)):
        checked(forgery(exported(log, events=True)))


def test_a_history_that_was_signed_again_does_not_continue_a_kept_checkpoint(log: Database) -> None:
    """By somebody who has the key of the log: only what was kept outside shows it."""
    [kept] = [note for (note,) in rows(log.admin_url, "SELECT note FROM log_checkpoints WHERE size = 300")]
    assert "The log continues the checkpoint of 300 events that was kept." in checked(exported(log), kept=kept)
    with pytest.raises(check_proof.ProofError, match="Only an export from position 1 to 300"):
        checked(exported(log, 2, 700), kept=kept)
    execute(log, "UPDATE stored_events SET state = 'x'::bytea WHERE notification_id = 7")
    empty_tree(log)
    seal(log)
    assert checked(exported(log))
    with pytest.raises(check_proof.ProofError, match="first 300 events are not those that the kept checkpoint signs"):
        checked(exported(log), kept=kept)


DAMAGES = {
    "UPDATE stored_events SET state = ''::bytea WHERE notification_id = 40": "position 40 is not the one",
    "DELETE FROM stored_events WHERE notification_id = 40": "position 40 is not the one",
    "UPDATE stored_events SET recorded_at = '-infinity' WHERE notification_id = 40": "missing or damaged",
    "DELETE FROM log_tiles WHERE level = -1 AND number = 0": "missing or damaged",
    "UPDATE log_tiles SET content = overlay(content PLACING 'x' FROM 90) WHERE level = -1": "do not lead to the root",
    "UPDATE log_checkpoints SET note = 'nothing'": "not one of this log",
}


@pytest.mark.parametrize(("damage", "words"), DAMAGES.items())
def test_a_damaged_store_is_not_exported(log: Database, damage: str, words: str) -> None:
    execute(log, damage)
    with pytest.raises(HistoryRefused, match=words):
        exported(log, events="log_tiles" not in damage)


@pytest.mark.parametrize(("first", "last"), [(701, None), (5, 701), (6, 5)])
def test_only_what_is_sealed_is_exported(log: Database, first: int, last: int | None) -> None:
    with pytest.raises(OutsideOfLog, match="700 events are sealed"):
        exported(log, first, last)


def test_an_export_of_another_key_is_refused(log: Database) -> None:
    other = CheckpointSigner(DEFAULT_ORIGIN, bytes(32)).key
    with pytest.raises(check_proof.ProofError, match="not signed by KEY"):
        list(check_proof.check_export(str(other), exported(log)))


def test_the_verifier_as_a_program(log: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, kept = tmp_path / "export", tmp_path / "kept"
    file.write_text("".join(exported(log)))
    kept.write_text(last_note(log))
    [(stream,)] = rows(log.admin_url, STREAM_AT, 1)
    assert check_proof.main([KEY, str(file), str(stream), "--kept", str(kept)]) == 0
    assert capsys.readouterr().out.splitlines()[-2] == "The log continues the checkpoint of 700 events that was kept."
    file.write_text("".join(exported(log)[:-1]))
    assert check_proof.main([KEY, str(file)]) == 1
    assert capsys.readouterr().err == "Not proved: Events or hashes are missing in the export.\n"
