"""Cosignatures of witnesses, as in C2SP tlog-cosignature (version 1, Ed25519).

A witness that cosigns a checkpoint has seen that it continues every one that it has cosigned before.
"""

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
            NoteRefused: it has not.
        """
        text, signatures = parts_of(note)
        id = key_id(self.name, COSIGNATURE, self.public)
        for name, found, signature in signatures:
            if (name, found) == (self.name, id):
                seconds = int.from_bytes(signature[:_TIME_BYTES], "big")
                return self._verified(text, seconds, signature[_TIME_BYTES:])
        raise NoteRefused("the witness has not cosigned the checkpoint")

    def _verified(self, text: str, seconds: int, signature: bytes) -> datetime:
        try:
            message = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
            return datetime.fromtimestamp(seconds, UTC)
        except (InvalidSignature, ValueError, OverflowError, OSError):
            raise NoteRefused("the cosignature of the witness is wrong") from None
