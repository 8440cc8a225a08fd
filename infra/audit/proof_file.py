"""Files that prove offline that an entry is in the log, as in C2SP tlog-proof (`.tlog-proof`).

The extra data is the entry itself, so that one file is enough. It is not trusted: the proof is over its hash. A public
proof is without it.
"""

from base64 import b64encode
from typing import NamedTuple

_FIRST_LINE = "c2sp.org/tlog-proof@v1"


class EntryProof(NamedTuple):
    """A proof for an entry, the leaf with this index. `checkpoint`: the signed note; `entry`: None: left out."""

    entry: bytes | None
    leaf_index: int
    hashes: list[bytes]
    checkpoint: str

    def __str__(self) -> str:
        extra = [] if self.entry is None else [f"extra {b64encode(self.entry).decode()}"]
        head = [_FIRST_LINE, *extra, f"index {self.leaf_index}"]
        return "\n".join([*head, *(b64encode(each).decode() for each in self.hashes), "", self.checkpoint])
