"""The checkpoint that is published, with the cosignatures that it has; and what a reader asks of its witnesses."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from infra.audit import cosigned_rows
from infra.audit.cosignatures import WitnessKey
from infra.audit.notes import NoteRefused
from infra.audit.tables import SignedCheckpoint
from infra.postgres.connect import Connection


class NotEnoughWitnesses(Exception):
    """No checkpoint has the cosignatures that the reader asks for. The message says which."""


class CosignatureTime(NamedTuple):
    """A witness, by name, and when it has cosigned a checkpoint."""

    witness: str
    at: datetime


class WitnessPolicy(NamedTuple):
    """The witnesses that a reader trusts, and how many of them must have cosigned a checkpoint. No two have one key."""

    keys: Sequence[WitnessKey] = ()
    quorum: int = 0

    def cosigned(self, note: str) -> list[CosignatureTime]:
        """Return which of the witnesses have cosigned a checkpoint."""
        return list(self._cosigned(note))

    def is_met(self, note: str) -> bool:
        """Whether enough of the witnesses have cosigned a checkpoint."""
        return len(self.cosigned(note)) >= self.quorum

    def _cosigned(self, note: str) -> Iterator[CosignatureTime]:
        for key in self.keys:
            try:
                yield CosignatureTime(key.name, key.cosigned_at(note))
            except NoteRefused:
                continue


ANY = WitnessPolicy()


def published(connection: Connection, policy: WitnessPolicy = ANY, position: int = 1) -> SignedCheckpoint | None:
    """Return the last checkpoint that covers a position and that enough witnesses have cosigned, with all cosignatures.

    None: nothing is sealed. If the policy asks for no witness, the checkpoint may end before the position.

    Raises:
        NotEnoughWitnesses: there is no such checkpoint.
    """
    if not policy.quorum:
        row = connection.execute(cosigned_rows.PUBLISHED.encode(), [position]).fetchone()
        return SignedCheckpoint(*row) if row else None
    wanted = [position, [str(key) for key in policy.keys], policy.quorum]
    row = connection.execute(cosigned_rows.COSIGNED_BY.encode(), wanted).fetchone()
    found = SignedCheckpoint(*row) if row else None
    if found is None or not policy.is_met(found.note):
        asked = "the witness has" if len(policy.keys) == 1 else f"{policy.quorum} of {len(policy.keys)} witnesses have"
        raise NotEnoughWitnesses(f"{asked} cosigned no checkpoint that covers position {position}")
    return found
