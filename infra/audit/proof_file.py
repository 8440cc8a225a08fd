"""Files that prove offline that an entry is in the log, as in C2SP tlog-proof (`.tlog-proof`).

The extra data is the entry itself, so that one file is enough. It is not trusted: the proof is over its hash.
"""

import binascii
import re
from base64 import b64decode, b64encode
from typing import NamedTuple

from infra.audit.notes import NoteRefused, VerifierKey, decode_hash
from infra.audit.tree import leaf_hash, require_inclusion

_FIRST_LINE = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


class EntryProof(NamedTuple):
    """A proof for an entry, the leaf with this index. `checkpoint`: the signed note."""

    entry: bytes
    leaf_index: int
    hashes: list[bytes]
    checkpoint: str

    def __str__(self) -> str:
        head = [_FIRST_LINE, f"extra {b64encode(self.entry).decode()}", f"index {self.leaf_index}"]
        return "\n".join([*head, *(b64encode(each).decode() for each in self.hashes), "", self.checkpoint])

    @classmethod
    def parse(cls, text: str) -> "EntryProof":
        """Decode a file.

        Raises:
            NoteRefused: it is not a proof with its entry.
        """
        head, _, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        match = _INDEX.fullmatch(lines[2]) if len(lines) > 2 else None
        if lines[0] != _FIRST_LINE or match is None or not lines[1].startswith("extra "):
            raise NoteRefused("this is not a proof with its entry")
        try:
            entry = b64decode(lines[1].removeprefix("extra "), validate=True)
        except binascii.Error:
            raise NoteRefused("the entry of the proof is not in base64") from None
        return cls(entry, int(match[1]), [decode_hash(each) for each in lines[3:]], checkpoint)

    def check(self, key: VerifierKey) -> None:
        """Check the proof with the key of the log.

        Raises:
            NoteRefused: the log has not signed the checkpoint.
            ProofRefused: the entry is not in the tree of the checkpoint.
        """
        signed = key.open(self.checkpoint)
        require_inclusion(leaf_hash(self.entry), self.leaf_index, signed.size, self.hashes, signed.root)
