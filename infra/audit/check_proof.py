"""Checks offline what comes from a Palimpsest log: a proof of an event, an export, or a checkpoint.

    python check_proof.py KEY FILE.tlog-proof [EVENT]      EVENT: a file with the stored bytes of the event
    python check_proof.py KEY EXPORT [STREAM] [--kept CHECKPOINT]
    python check_proof.py KEY CHECKPOINT

KEY is the key of the log, as `palimpsest audit key` prints it: get it on another way than FILE. STREAM is the id of an
aggregate: its events are listed. CHECKPOINT is a file with a checkpoint; with --kept one that you have kept: an export
from position 1 must continue it. Each may have these options:

    --witness KEY      a witness that you trust, by its key; repeat it for others
    --quorum N         how many of them must have cosigned the checkpoint; default: all

This file needs Python 3.11, the package `cryptography`, and nothing of Palimpsest. The formats: c2sp.org/tlog-proof,
c2sp.org/signed-note, c2sp.org/tlog-checkpoint, c2sp.org/tlog-cosignature; the tree: RFC 9162, section 2.1.
"""

import hashlib
import json
import sys
from base64 import b64decode, b64encode
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


class NoteKey(NamedTuple):
    """A public key. `name`: of a log or a witness; `id`: the first bytes of its signatures."""

    name: str
    id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str, kind: int, error: str) -> "NoteKey":
        """Decode a key as it is written for people. `kind`: 1: of a log, 4: of a witness."""
        name, id, encoded = text.strip().split("+", 2)
        material = b64decode(encoded, validate=True)
        if material[0] != kind or hashed(name.encode(), b"\n", material)[:4].hex() != id:
            raise ProofError(error)
        return cls(name, bytes.fromhex(id), material[1:])

    def signatures(self, note: str) -> list[bytes]:
        """Return what this key may have signed a note with."""
        lines = [line for line in note.rpartition("\n\n")[2].splitlines() if line.startswith(f"\u2014 {self.name} ")]
        found = [b64decode(line.rpartition(" ")[2], validate=True) for line in lines]
        return [signature[4:] for signature in found if signature[:4] == self.id]

    def verify(self, signature: bytes, message: str) -> None:
        """Check a signature, or raise `InvalidSignature`."""
        Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message.encode())


class Witnesses:
    """The witnesses that the reader trusts, and how many of them must have cosigned a checkpoint; None: all."""

    def __init__(self, keys: Iterable[str] = (), quorum: int | None = None) -> None:
        error = "--witness: this is not an Ed25519 key of a witness."
        self._keys = {key.public: key for key in (NoteKey.parse(text, 4, error) for text in keys)}
        self._quorum = len(self._keys) if quorum is None else quorum
        if self._quorum < min(1, len(self._keys)):
            raise ProofError("--quorum: at least 1 of the witnesses must have cosigned.")
        if self._quorum > len(self._keys):
            raise ProofError(f"--quorum: there are {len(self._keys)} witnesses to choose from.")

    def require(self, note: str) -> list[str]:
        """Check that enough of them have cosigned a checkpoint, and return lines that say when."""
        found = self.said(note)
        if len(found) < self._quorum:
            raise ProofError(f"{len(found)} of your witnesses have cosigned the checkpoint, and not {self._quorum}.")
        return found

    def said(self, note: str) -> list[str]:
        """Return a line for each of them that has cosigned a checkpoint. A false cosignature proves nothing."""
        text, found = f"{note.rpartition(chr(10) * 2)[0]}\n", list[str]()
        size = text.split("\n")[1]
        for key in self._keys.values():
            last = 0
            for signature in key.signatures(note):
                time = int.from_bytes(signature[:8], "big")
                key.verify(signature[8:], f"cosignature/v1\ntime {time}\n{text}")
                last = max(last, time)
            if last:
                at = datetime.fromtimestamp(last, UTC).isoformat()
                found.append(f"{key.name} has cosigned the checkpoint of {size} events, at {at}.")
        return found


NO_WITNESSES = Witnesses()


def signed_tree(note: str, key: str) -> tuple[int, bytes]:
    """Return the size and the root of a checkpoint that the key has signed."""
    log = NoteKey.parse(key, 1, "KEY is not an Ed25519 key of a log.")
    text, signatures = note.rpartition("\n\n")[0], log.signatures(note)
    if not signatures:
        raise ProofError("The checkpoint is not signed by KEY.")
    for signature in signatures:
        log.verify(signature, f"{text}\n")
    origin, size, root = text.split("\n")[:3]
    if origin != log.name:
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


def check(key: str, proof: str, event: bytes | None = None, witnesses: Witnesses = NO_WITNESSES) -> str:
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
    said = (
        f"Position {leaf.position} of {size} in the log {key.partition('+')[0]}: {leaf.type}, version {leaf.version} "
        f"of the stream {leaf.stream}, recorded at {leaf.microseconds} microseconds since 1970; SHA-256 of its "
        f"stored bytes: {leaf.digest.hex()}"
    )
    return "\n".join([*witnesses.require(note), said])


def check_checkpoint(key: str, note: str, witnesses: Witnesses = NO_WITNESSES) -> Iterator[str]:
    """Check a checkpoint, and return lines that say what it is."""
    size, root = signed_tree(note, key)
    yield from witnesses.require(note)
    yield f"Checkpoint of {size} events in the log {key.partition('+')[0]}, with the root {b64encode(root).decode()}"


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


def check_export(
    key: str,
    lines: Iterable[str],
    stream: UUID | None = None,
    kept: str | None = None,
    witnesses: Witnesses = NO_WITNESSES,
) -> Iterator[str]:
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
    yield from witnesses.require(head["checkpoint"])
    if stream is not None:
        yield f"The stream {stream} has {len(streams.listed)} events at the positions {first} to {last}, and no other."
    if kept is not None:
        yield from witnesses.said(kept)
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


class Request(NamedTuple):
    """What to check. `more`: a stream or a file with an event, if any."""

    key: str
    file: Path
    more: str | None
    kept: str | None
    witnesses: Witnesses

    @classmethod
    def parse(cls, arguments: Iterable[str]) -> "Request | None":
        """Decode the arguments of the program; None: too few are given."""
        plain, options = list[str](), {name: list[str]() for name in ("--kept", "--witness", "--quorum")}
        rest = iter(arguments)
        for word in rest:
            options.get(word, plain).append(next(rest, "") if word in options else word)
        if len(plain) < 2:
            return None
        if plain[3:]:
            raise ProofError(f"{plain[3]} is one argument too many.")
        quorum = int(options["--quorum"][-1]) if options["--quorum"] else None
        kept = Path(options["--kept"][-1]).read_text(encoding="utf-8") if options["--kept"] else None
        witnesses = Witnesses(options["--witness"], quorum)
        return cls(plain[0].strip(), Path(plain[1]), plain[2] if plain[2:] else None, kept, witnesses)

    def said(self) -> Iterator[str]:
        """Return lines that say what the file proves."""
        with self.file.open(encoding="utf-8") as opened:
            is_export = opened.read(1) == "{"
            opened.seek(0)
            if is_export:
                stream = UUID(self.more) if self.more else None
                yield from check_export(self.key, opened, stream, self.kept, self.witnesses)
                return
            text = opened.read()
        if self.kept is not None:
            raise ProofError("Only an export shows that the log continues a checkpoint, a proof of one event does not.")
        if text.startswith("c2sp.org/tlog-proof@"):
            yield check(self.key, text, Path(self.more).read_bytes() if self.more else None, self.witnesses)
        elif self.more is not None:
            raise ProofError(f"{self.more} is one argument too many for a checkpoint.")
        else:
            yield from check_checkpoint(self.key, text, self.witnesses)


def main(arguments: list[str]) -> int:
    """Print what a file proves, or why nothing. Returns the exit code."""
    try:
        request = Request.parse(arguments)
        if request is None:
            sys.stderr.write(f"{__doc__}")
            return 2
        lines = list(request.said())
    except InvalidSignature:
        sys.stderr.write("Not proved: a signature is wrong.\n")
        return 1
    except (ProofError, ValueError, KeyError, IndexError, OSError, OverflowError) as error:
        sys.stderr.write(f"Not proved: {error}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
