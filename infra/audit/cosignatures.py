"""Cosignatures of witnesses, as in C2SP tlog-cosignature (version 1, Ed25519).

A witness that cosigns a checkpoint has seen that it continues every one that it has cosigned before.
"""

from base64 import b64encode
from datetime import UTC, datetime
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from infra.audit.notes import NoteRefused, key_id, parse_key, parts_of

COSIGNATURE = 4
"""The type of a key that cosigns checkpoints."""
_TIME_BYTES = 8


class WitnessKey(NamedTuple):
    """The public key of a witness, with its name."""

    name: str
    public: bytes

    def __str__(self) -> str:
        encoded = b64encode(bytes((COSIGNATURE,)) + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"

    @property
    def id(self) -> bytes:
        """The first bytes of each cosignature: they name the key."""
        return key_id(self.name, COSIGNATURE, self.public)

    @classmethod
    def parse(cls, text: str) -> "WitnessKey":
        """Decode a key as it is written for people.

        Raises:
            NoteRefused: it is not one of a witness.
        """
        return cls(*parse_key(text, COSIGNATURE, "an Ed25519 key of a witness"))

    def cosigned_at(self, note: str) -> datetime:
        """Return when the witness has cosigned a checkpoint.

        Raises:
            NoteRefused: it has not; or a cosignature under its name and key is wrong.
        """
        text, signatures = parts_of(note)
        mine = [signature for name, id, signature in signatures if (name, id) == (self.name, self.id)]
        if not mine:
            raise NoteRefused("the witness has not cosigned the checkpoint")
        return max(self._verified(text, signature) for signature in mine)

    def _verified(self, text: str, signature: bytes) -> datetime:
        seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
        try:
            message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature[_TIME_BYTES:], message)
            return datetime.fromtimestamp(seconds, UTC)
        except (InvalidSignature, ValueError, OverflowError, OSError):
            raise NoteRefused("the cosignature of the witness is wrong") from None
