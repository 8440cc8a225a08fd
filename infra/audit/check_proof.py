"""Checks offline what comes from a Palimpsest log: a proof of an event, or an export.

    python check_proof.py KEY FILE.tlog-proof [EVENT]      EVENT: a file with the stored bytes of the event
    python check_proof.py KEY EXPORT [STREAM] [--kept CHECKPOINT]

KEY is the key of the log, as `palimpsest audit key` prints it: get it on another way than FILE. STREAM is the id of an
aggregate: its events are listed. CHECKPOINT is a file with a checkpoint that you have kept: an export from position 1
must continue it. This file needs Python 3.11, the package `cryptography`, and nothing of Palimpsest. The formats:
c2sp.org/tlog-proof, c2sp.org/signed-note, c2sp.org/tlog-checkpoint; the tree: RFC 9162, section 2.1.
"""

import hashlib
import json
import sys
from base64 import b64decode
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ProofError(Exception):
    """Something is not proved. The message says what."""


class Leaf(NamedTuple):
    """What the log has signed of an event. `digest`: SHA-256 of its stored bytes."""

    position: int
    microseconds: int
    stream: UUID
    version: int
    type: str
    digest: bytes

    @classmethod
    def of(cls, entry: bytes, index: int) -> "Leaf":
        """Decode a leaf. `index`: its place in the log."""
        end = 43 + int.from_bytes(entry[41:43], "big")
        position, at, version = (int.from_bytes(entry[start : start + 8], "big") for start in (1, 9, 33))
        if entry[0] != 1 or position != index + 1 or len(entry) != end + 32:
            raise ProofError("A leaf is not that of an event at its position.")
        return cls(position, at, UUID(bytes=entry[17:33]), version, entry[43:end].decode(), entry[end:])

    def require(self, event: bytes | None) -> None:
        """Check that the leaf is that of an event. `event`: its stored bytes; None: they are not there."""
        if event is not None and hashed(event) != self.digest:
            raise ProofError(f"The bytes of the event at position {self.position} are not those of its leaf.")

    def __str__(self) -> str:
        at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self.microseconds)
        return f"{self.position} {at.isoformat()} {self.stream} {self.version} {self.type} {self.digest.hex()}"


def hashed(*parts: bytes) -> bytes:
    """Return SHA-256 of the parts."""
    return hashlib.sha256(b"".join(parts)).digest()


def signed_tree(note: str, key: str) -> tuple[int, bytes]:
    """Return the size and the root of a checkpoint that the key has signed."""
    name, key_id, encoded = key.split("+", 2)
    material = b64decode(encoded, validate=True)
    if material[0] != 1 or hashed(name.encode(), b"\n", material)[:4].hex() != key_id:
        raise ProofError("KEY is not an Ed25519 key of a log.")
    text, _, signatures = note.rpartition("\n\n")
    for line in signatures.splitlines():
        if line.startswith(f"\u2014 {name} "):
            signature = b64decode(line.rpartition(" ")[2], validate=True)
            if signature[:4].hex() == key_id:
                public = Ed25519PublicKey.from_public_bytes(material[1:])
                public.verify(signature[4:], f"{text}\n".encode())
                break
    else:
        raise ProofError("The checkpoint is not signed by KEY.")
    origin, size, root = text.split("\n")[:3]
    if origin != name:
        raise ProofError("The checkpoint is of another log.")
    return int(size), b64decode(root, validate=True)


def root_from(entry: bytes, index: int, size: int, proof: list[bytes]) -> bytes:
    """Return the root to which an inclusion proof leads (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError("The tree has no such leaf.")
    number, last, found = index, size - 1, hashed(b"\0", entry)
    for sibling in proof:
        if last == 0:
            raise ProofError("The proof has too many hashes.")
        if number % 2 or number == last:
            found = hashed(b"\1", sibling, found)
            while number and not number % 2:
                number, last = number // 2, last // 2
        else:
            found = hashed(b"\1", found, sibling)
        number, last = number // 2, last // 2
    if last:
        raise ProofError("The proof has too few hashes.")
    return found


def check(key: str, proof: str, event: bytes | None = None) -> str:
    """Check a proof, and return what it proves. `event`: the stored bytes of the event."""
    head, _, note = proof.partition("\n\n")
    first, extra, index, *lines = head.split("\n")
    if first != "c2sp.org/tlog-proof@v1" or not extra.startswith("extra ") or not index.startswith("index "):
        raise ProofError("This is not a proof with its entry.")
    entry, number = b64decode(extra[6:], validate=True), int(index[6:])
    size, root = signed_tree(note, key)
    if root_from(entry, number, size, [b64decode(line, validate=True) for line in lines]) != root:
        raise ProofError("The event is not in the log.")
    leaf = Leaf.of(entry, number)
    leaf.require(event)
    return (
        f"Position {leaf.position} of {size} in the log {key.partition('+')[0]}: {leaf.type}, version {leaf.version} "
        f"of the stream {leaf.stream}, recorded at {leaf.microseconds} microseconds since 1970; SHA-256 of its "
        f"stored bytes: {leaf.digest.hex()}"
    )


def root_around(first: int, last: int, size: int, entries: Iterator[bytes], hashes: Iterator[bytes]) -> bytes:
    """Return the root to which the leaves `first` to `last` lead, with the hashes of the subtrees beside them."""

    def subtree(start: int, end: int) -> bytes:
        if end <= first or last < start:
            return next(hashes)
        if end - start == 1:
            return hashed(b"\0", next(entries))
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        left = subtree(start, middle)
        return hashed(b"\1", left, subtree(middle, end))

    try:
        return subtree(0, size)
    except StopIteration:
        raise ProofError("Events or hashes are missing in the export.") from None


class Streams:
    """The streams of an export: each must go on without a gap, and begin with version 1 if the export is `whole`."""

    def __init__(self, listed: UUID | None, *, whole: bool) -> None:
        self.versions = dict[UUID, int]()
        self.listed = list[Leaf]()
        self._stream = listed
        self._whole = whole

    def add(self, leaf: Leaf) -> None:
        """Take the next event."""
        before = self.versions.get(leaf.stream, 0 if self._whole else leaf.version - 1)
        if leaf.version != before + 1:
            raise ProofError(f"Position {leaf.position} has version {leaf.version} of its stream, after {before}.")
        self.versions[leaf.stream] = leaf.version
        if leaf.stream == self._stream:
            self.listed.append(leaf)


class EarlierTree:
    """A tree that is computed until it has the size of a checkpoint that was kept, and then compared with it."""

    def __init__(self, size: int, root: bytes) -> None:
        self.size = size
        self._root = root
        self._number = 0
        self._peaks = list[bytes]()

    def add(self, entry: bytes) -> None:
        """Take the next leaf."""
        if self._number == self.size:
            return
        node, below = hashed(b"\0", entry), self._number
        while below % 2:
            node, below = hashed(b"\1", self._peaks.pop(), node), below // 2
        self._peaks.append(node)
        self._number += 1
        if self._number == self.size:
            found = self._peaks[-1]
            for peak in reversed(self._peaks[:-1]):
                found = hashed(b"\1", peak, found)
            if found != self._root:
                raise ProofError(f"The first {self.size} events are not those that the kept checkpoint signs.")


def check_export(key: str, lines: Iterable[str], stream: UUID | None = None, kept: str | None = None) -> Iterator[str]:
    """Check an export, and return lines that say what it proves. `kept`: a checkpoint of the log from before."""
    rest = iter(lines)
    head = json.loads(next(rest))
    if head.get("format") != "palimpsest-log-export/1":
        raise ProofError("This is not an export of a Palimpsest log.")
    first, last = int(head["first"]), int(head["last"])
    size, root = signed_tree(head["checkpoint"], key)
    if not 1 <= first <= last <= size:
        raise ProofError("The log has no such positions.")
    streams, earlier = Streams(stream, whole=first == 1), EarlierTree(0, b"")
    if kept is not None:
        earlier = EarlierTree(*signed_tree(kept, key))
        if first != 1 or last < earlier.size:
            raise ProofError(f"Only an export from position 1 to {earlier.size} or later shows the kept checkpoint.")
    hashes = [b64decode(each, validate=True) for each in head["hashes"]]
    beside = iter(hashes)
    found = root_around(first - 1, last - 1, size, _entries(rest, first, streams, earlier), beside)
    if found != root or next(beside, None) is not None or next(rest, None) is not None:
        raise ProofError("The events are not those that the log has signed.")
    yield from map(str, streams.listed)
    if stream is not None:
        yield f"The stream {stream} has {len(streams.listed)} events at the positions {first} to {last}, and no other."
    if kept is not None:
        yield f"The log continues the checkpoint of {earlier.size} events that was kept."
    number = len(streams.versions)
    yield f"Positions {first} to {last} of {size} in the log {key.partition('+')[0]}, complete: {number} streams."


def _entries(lines: Iterable[str], first: int, streams: Streams, earlier: EarlierTree) -> Iterator[bytes]:
    for index, line in enumerate(lines, start=first - 1):
        found = json.loads(line)
        entry = b64decode(found["leaf"], validate=True)
        leaf = Leaf.of(entry, index)
        leaf.require(b64decode(found["event"], validate=True) if "event" in found else None)
        streams.add(leaf)
        earlier.add(entry)
        yield entry


def _said(key: str, file: Path, more: list[str]) -> Iterator[str]:
    kept = None
    if "--kept" in more[:-1]:
        at = more.index("--kept")
        kept = Path(more[at + 1]).read_text(encoding="utf-8")
        del more[at : at + 2]
    if more[1:]:
        raise ProofError(f"{more[1]} is one argument too many.")
    with file.open(encoding="utf-8") as opened:
        if opened.read(1) == "{":
            opened.seek(0)
            yield from check_export(key, opened, UUID(more[0]) if more else None, kept)
        elif kept is not None:
            raise ProofError("Only an export shows that the log continues a checkpoint, a proof of one event does not.")
        else:
            opened.seek(0)
            yield check(key, opened.read(), Path(more[0]).read_bytes() if more else None)


def main(arguments: list[str]) -> int:
    """Print what a file proves, or why nothing. Returns the exit code."""
    if not 2 <= len(arguments) <= 5:
        sys.stderr.write(f"{__doc__}")
        return 2
    key, file, *more = arguments
    try:
        lines = list(_said(key.strip(), Path(file), more))
    except InvalidSignature:
        sys.stderr.write("Not proved: the signature is wrong.\n")
        return 1
    except (ProofError, ValueError, KeyError, IndexError, OSError) as error:
        sys.stderr.write(f"Not proved: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
