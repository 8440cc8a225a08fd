"""The text of replay certificates."""

import pytest

from infra.audit.notes import NoteRefused
from infra.replay.certificate import Certificate, CertifiedTable, first_difference
from infra.replay.code_version import CodeVersion
from tests.support.sealing import SIGNER

TABLES = (
    CertifiedTable("document", 3, 20, 0, b"d" * 32),
    CertifiedTable("team", 1, 0, 2, b"t" * 32),
)
ONE = Certificate(SIGNER.key.name, 12, b"r" * 32, CodeVersion("0.1.0", b"c" * 32), TABLES)
TEXT = """palimpsest replay certificate 1
palimpsest.localhost/log
position 12
root cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=
code 0.1.0 Y2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2NjY2M=
table document version 3 rows 20 quarantined 0 digest ZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGRkZGQ=
table team version 1 rows 0 quarantined 2 digest dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHR0dHQ=
"""


def test_a_certificate_reads_as_it_was_written() -> None:
    assert ONE.text == TEXT
    assert Certificate.parse(TEXT) == ONE
    assert Certificate.open(ONE.signed(SIGNER), SIGNER.key) == ONE


def test_a_certificate_is_no_checkpoint_and_a_checkpoint_no_certificate() -> None:
    with pytest.raises(NoteRefused, match="not a checkpoint"):
        SIGNER.key.open(ONE.signed(SIGNER))
    with pytest.raises(NoteRefused, match="not a replay certificate"):
        Certificate.open(SIGNER.sign(12, b"r" * 32), SIGNER.key)


def test_a_changed_certificate_is_refused() -> None:
    note = ONE.signed(SIGNER)
    with pytest.raises(NoteRefused, match="signature of the note is wrong"):
        Certificate.open(note.replace("rows 20", "rows 21"), SIGNER.key)


def test_a_certificate_of_another_log_is_refused() -> None:
    with pytest.raises(NoteRefused, match="of another log"):
        Certificate.open(ONE._replace(origin="example.org/log").signed(SIGNER), SIGNER.key)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("certificate 1", "certificate 2"),
        ("position 12", "position 012"),
        ("position 12", "position -1"),
        ("root cnJy", "root cnJ"),
        ("version 3", "version three"),
        ("table team", "table te am"),
        ("table team", "\ntable team"),
        ("dHQ=\n", "dHQ="),
        ("dHQ=\n", "dHQ=\nmore\n"),
        ("rows 0 ", "rows 00 "),
    ],
)
def test_any_other_text_is_refused(old: str, new: str) -> None:
    assert old in TEXT
    with pytest.raises(NoteRefused):
        Certificate.parse(TEXT.replace(old, new))


def test_the_first_table_that_differs_is_named() -> None:
    document, team = TABLES
    assert first_difference(TABLES, reversed(TABLES)) is None
    found = first_difference(TABLES, [document._replace(rows=19), team._replace(quarantined=3)])
    assert found is not None
    assert found.startswith("document: version 3, 19 rows, digest ZGRk")
    assert "; the certificate says version 3, 20 rows, digest" in found
    assert (first_difference(TABLES, [document, team._replace(digest=b"x" * 32)]) or "").startswith("team: version 1")
    assert first_difference(TABLES, [document]) == "team: there is no such read model"
    assert first_difference(TABLES, [*TABLES, team._replace(name="more")]) == "more: the certificate does not have it"
