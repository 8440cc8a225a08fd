"""Checks offline that an event is in a Palimpsest log: `python check_proof.py KEY FILE.tlog-proof [EVENT]`.

KEY is the key of the log, as `palimpsest audit key` prints it: get it on another way than the proof. EVENT is a file
with the stored bytes of the event. This file needs Python 3.11, the package `cryptography`, and nothing of Palimpsest.
The formats: c2sp.org/tlog-proof, c2sp.org/signed-note, c2sp.org/tlog-checkpoint; the tree: RFC 9162, section 2.1.
"""

import hashlib
import sys
from base64 import b64decode
from pathlib import Path
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class ProofError(Exception):
    """Something is not proved. The message says what."""


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
        raise ProofError("This is not a proof of a Palimpsest log.")
    entry, number = b64decode(extra[6:], validate=True), int(index[6:])
    size, root = signed_tree(note, key)
    if root_from(entry, number, size, [b64decode(line, validate=True) for line in lines]) != root:
        raise ProofError("The event is not in the log.")
    topic_end = 43 + int.from_bytes(entry[41:43], "big")
    position, digest = int.from_bytes(entry[1:9], "big"), entry[topic_end:]
    if entry[0] != 1 or position != number + 1 or len(digest) != 32:
        raise ProofError("The leaf is in the log, and is not that of an event.")
    if event is not None and hashed(event) != digest:
        raise ProofError("EVENT is not the event of the proof.")
    return (
        f"Position {position} of {size} in the log {key.partition('+')[0]}: {entry[43:topic_end].decode()}, "
        f"version {int.from_bytes(entry[33:41], 'big')} of the stream {UUID(bytes=entry[17:33])}, recorded at "
        f"{int.from_bytes(entry[9:17], 'big')} microseconds since 1970; SHA-256 of its stored bytes: {digest.hex()}"
    )


def main(arguments: list[str]) -> int:
    """Print what a proof proves, or why not. Returns the exit code."""
    if len(arguments) not in (2, 3):
        sys.stderr.write(f"{__doc__}")
        return 2
    key, proof, *event = arguments
    try:
        content = Path(event[0]).read_bytes() if event else None
        sys.stdout.write(f"{check(key.strip(), Path(proof).read_text(encoding='utf-8'), content)}\n")
    except InvalidSignature:
        sys.stderr.write("Not proved: the signature is wrong.\n")
        return 1
    except (ProofError, ValueError, IndexError, OSError) as error:
        sys.stderr.write(f"Not proved: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
