"""Port to the generations whose texts are for batches. A read model answers, so some may have gone on since."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.kernel import Party, PartyKind


@dataclass(frozen=True, slots=True)
class BatchedGeneration:
    """A generation for a batch, of the model that is to write. `batch`: the id of ours of the last one it was in.

    `is_submitted`: it still is in this one, since `since`.
    """

    id: UUID
    model: str
    payer_kind: PartyKind
    payer_id: UUID
    own_key: bool
    batch: UUID | None
    is_submitted: bool
    since: datetime

    @property
    def key_owner(self) -> Party | None:
        """The payer whose own key of the provider pays; None: ours does."""
        return Party(self.payer_kind, self.payer_id) if self.own_key else None


class BatchedGenerations(Protocol):
    """Finds generations that wait for batches, or are in them."""

    async def waiting(self) -> list[BatchedGeneration]:
        """Return those that wait, some thousands at most, the oldest first. Raises `Unavailable`."""

    async def submitted(self, since: datetime) -> list[BatchedGeneration]:
        """Return those that are in a batch, and those that were in one and have changed since then.

        Raises:
            Unavailable
        """
