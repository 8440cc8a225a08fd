"""Signed notes and checkpoints, as in C2SP signed-note and tlog-checkpoint, with Ed25519.

A checkpoint names a log (its origin), the number of its leaves and the root of the tree over them; the log signs it.
"""

import binascii
import hashlib
import hmac
import re
from base64 import b64decode, b64encode
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from infra.audit.tree import HASH_BYTES

ED25519 = 1
"""The type of a key that signs checkpoints of its log."""
MAX_NOTE_BYTES = 1_000_000
KEY_ID_BYTES = 4
_KEY_BYTES = 32
_DASH = "\u2014 "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class NoteRefused(Exception):
    """A note is not one, or not signed by the key that was asked for. The message says why."""


class LogCheckpoint(NamedTuple):
    """A tree, by its size and root. `origin`: the name of its log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text to sign."""
        return f"{self.origin}\n{self.size}\n{b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "LogCheckpoint":
        """Decode the text of a note. Extension lines are passed over.

        Raises:
            NoteRefused: it is not a checkpoint.
        """
        lines = text.split("\n")
        if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
            raise NoteRefused("the note is not a checkpoint")
        return cls(lines[0], int(lines[1]), decode_hash(lines[2]))

    @classmethod
    def of(cls, note: str) -> "LogCheckpoint":
        """Decode the checkpoint of a signed note. Its signature is not checked.

        Raises:
            NoteRefused: it is not a checkpoint.
        """
        return cls.parse(parts_of(note)[0])


class VerifierKey(NamedTuple):
    """A public key with its name, as `name+id+key`. `name`: the origin of the log that signs with it."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """The first bytes of each signature: they name the key."""
        return key_id(self.name, ED25519, self.public)

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(bytes((ED25519,)) + self.public).decode()}"

    @classmethod
    def parse(cls, text: str) -> "VerifierKey":
        """Decode a key as it is written for people.

        Raises:
            NoteRefused: it is not an Ed25519 key of a log.
        """
        return cls(*parse_key(text, ED25519, "an Ed25519 key of a log"))

    def open(self, note: str) -> LogCheckpoint:
        """Return the checkpoint of a note that this key has signed.

        Raises:
            NoteRefused: the note is not a checkpoint of this log, or this key has not signed it.
        """
        found = LogCheckpoint.parse(self.signed_text(note))
        if found.origin != self.name:
            raise NoteRefused("the checkpoint is of another log")
        return found

    def signed_text(self, note: str) -> str:
        """Return the text of a note that this key has signed.

        Raises:
            NoteRefused: this is not a note, or this key has not signed it.
        """
        text, signatures = parts_of(note)
        public = Ed25519PublicKey.from_public_bytes(self.public)
        mine = [signature for name, id, signature in signatures if name == self.name and id == self.id]
        if not mine:
            raise NoteRefused("the note is not signed by the key of the log")
        for signature in mine:
            try:
                public.verify(signature, text.encode())
            except InvalidSignature:
                raise NoteRefused("the signature of the note is wrong") from None
        return text

    def name_in(self, note: str) -> str | None:
        """Return the name under which this key has signed a checkpoint; None if it has not signed it."""
        try:
            name = LogCheckpoint.of(note).origin
            return self._replace(name=name).open(note).origin
        except NoteRefused:
            return None


class CheckpointSigner:
    """Signs the checkpoints of a log. `secret`: 32 bytes. `key`: what checks its signatures."""

    def __init__(self, origin: str, secret: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(secret)
        self.key = VerifierKey(origin, self._private.public_key().public_bytes_raw())

    def sign(self, size: int, root: bytes) -> str:
        """Return a checkpoint as a signed note."""
        return self.sign_text(LogCheckpoint(self.key.name, size, root).text)

    def sign_text(self, text: str) -> str:
        """Return a text as a signed note. What is no checkpoint must not read as one."""
        signature = b64encode(self.key.id + self._private.sign(text.encode())).decode()
        return f"{text}\n{_DASH}{self.key.name} {signature}\n"


def decode_hash(text: str) -> bytes:
    """Decode a hash in base64.

    Raises:
        NoteRefused: it is not one.
    """
    try:
        found = b64decode(text, validate=True)
    except binascii.Error:
        found = b""
    if len(found) != HASH_BYTES or not hmac.compare_digest(b64encode(found).decode(), text):
        raise NoteRefused("a hash is not 32 bytes in base64")
    return found


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the first bytes of each signature by a key: they name it."""
    return hashlib.sha256(name.encode() + b"\n" + bytes((kind,)) + public).digest()[:KEY_ID_BYTES]


def parse_key(text: str, kind: int, what: str) -> tuple[str, bytes]:
    """Decode a public key that is written as `name+id+key`, and return name and key. `what`: words for its kind.

    Raises:
        NoteRefused: it is not one of this kind.
    """
    try:
        name, id, encoded = text.strip().split("+", 2)
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        raise NoteRefused("the key is not written as name+id+key") from None
    if decoded[:1] != bytes((kind,)) or len(decoded) != 1 + _KEY_BYTES or not _NAME.fullmatch(name):
        raise NoteRefused(f"the key is not {what}")
    if key_id(name, kind, decoded[1:]).hex() != id:
        raise NoteRefused("the id of the key does not fit it")
    return name, decoded[1:]


def parts_of(note: str) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Return the text of a note, and the name, key id and bytes of each signature.

    Raises:
        NoteRefused: it is not a signed note.
    """
    text, blank, signatures = note.rpartition("\n\n")
    if (
        not blank
        or not signatures.endswith("\n")
        or len(note) > MAX_NOTE_BYTES
        or re.search(r"[\x00-\x09\x0b-\x1f]", note)
    ):
        raise NoteRefused("this is not a signed note")
    return f"{text}\n", [_signature(line) for line in signatures[:-1].split("\n")]


def _signature(line: str) -> tuple[str, bytes, bytes]:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    try:
        decoded = b64decode(encoded, validate=True)
    except ValueError:
        decoded = b""
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or len(decoded) <= KEY_ID_BYTES:
        raise NoteRefused("a signature of the note is not one")
    return name, decoded[:KEY_ID_BYTES], decoded[KEY_ID_BYTES:]
