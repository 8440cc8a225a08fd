"""Replay certificates: which rows follow from a history, signed by its log.

    palimpsest replay certificate 1
    NAME OF THE LOG
    position POSITION
    root ROOT
    code RELEASE HASH
    table NAME version VERSION rows ROWS quarantined STREAMS digest DIGEST
    ...

It is the text of a signed note (C2SP signed-note). POSITION is the number of events that were folded, ROOT the root of
the tree over them in base64, HASH the version of the code in base64 (`code_version.py`). A line for each read model
follows, in the order of their names: the version of its definition, the number of its rows, the number of streams that
its code cannot fold, and the digest of its table in base64 (`row_digest.py`). No word has a space in it.

The first line has spaces, and no name of a log has one: a certificate never reads as a checkpoint.
"""

import re
from base64 import b64encode
from collections.abc import Iterable
from typing import NamedTuple

from infra.audit.notes import CheckpointSigner, NoteRefused, VerifierKey, decode_hash
from infra.replay.code_version import CodeVersion

HEADER = "palimpsest replay certificate 1"
_NUMBER = "(0|[1-9][0-9]{0,18})"
_HEAD = re.compile(rf"{HEADER}\n(\S+)\nposition {_NUMBER}\nroot (\S+)\ncode (\S+) (\S+)\n")
_TABLE = re.compile(rf"table (\S+) version {_NUMBER} rows {_NUMBER} quarantined {_NUMBER} digest (\S+)\n")


class CertifiedTable(NamedTuple):
    """The table of a read model. `quarantined`: the number of streams that its code cannot fold."""

    name: str
    version: int
    rows: int
    quarantined: int
    digest: bytes


class Certificate(NamedTuple):
    """What a code makes of a history. `origin`: the name of its log; `tables`: in the order of their names."""

    origin: str
    position: int
    root: bytes
    code: CodeVersion
    tables: tuple[CertifiedTable, ...]

    @property
    def text(self) -> str:
        """The text to sign."""
        lines = [
            HEADER,
            self.origin,
            f"position {self.position}",
            f"root {_base64(self.root)}",
            f"code {self.code.release} {_base64(self.code.digest)}",
        ]
        lines += [
            f"table {name} version {version} rows {rows} quarantined {quarantined} digest {_base64(digest)}"
            for name, version, rows, quarantined, digest in self.tables
        ]
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> "Certificate":
        """Decode the text of a note.

        Raises:
            NoteRefused: it is not a certificate.
        """
        head = _HEAD.match(text)
        if head is None:
            raise NoteRefused("the note is not a replay certificate")
        origin, position, root, release, code = head.groups()
        found = cls(
            origin,
            int(position),
            decode_hash(root),
            CodeVersion(release, decode_hash(code)),
            tuple(_table(line) for line in text[head.end() :].splitlines(keepends=True)),
        )
        if found.text != text:
            raise NoteRefused("the lines of the certificate are not as they are written")
        return found

    @classmethod
    def open(cls, note: str, key: VerifierKey) -> "Certificate":
        """Return the certificate in a note that the key has signed.

        Raises:
            NoteRefused: the note is not a certificate of this log, or the key has not signed it.
        """
        found = cls.parse(key.signed_text(note))
        if found.origin != key.name:
            raise NoteRefused("the certificate is of another log")
        return found

    def signed(self, signer: CheckpointSigner) -> str:
        """Return it as a signed note."""
        return signer.sign_text(self.text)


def first_difference(certified: Iterable[CertifiedTable], found: Iterable[CertifiedTable]) -> str | None:
    """Return what is wrong with the first table that is not as certified; None: all are."""
    wanted, have = ({table.name: table for table in tables} for tables in (certified, found))
    for name in sorted({*wanted, *have}):
        if name not in have:
            return f"{name}: there is no such read model"
        if name not in wanted:
            return f"{name}: the certificate does not have it"
        if wanted[name] != have[name]:
            return f"{name}: {_said(have[name])}; the certificate says {_said(wanted[name])}"
    return None


def _said(table: CertifiedTable) -> str:
    left_out = f", {table.quarantined} streams in quarantine" if table.quarantined else ""
    return f"version {table.version}, {table.rows} rows{left_out}, digest {_base64(table.digest)}"


def _table(line: str) -> CertifiedTable:
    found = _TABLE.fullmatch(line)
    if found is None:
        raise NoteRefused("a line of the certificate is not that of a table")
    name, version, rows, quarantined, digest = found.groups()
    return CertifiedTable(name, int(version), int(rows), int(quarantined), decode_hash(digest))


def _base64(value: bytes) -> str:
    return b64encode(value).decode()
