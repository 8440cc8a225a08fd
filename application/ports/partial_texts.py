"""Ports to texts that are being written: each attempt's texts so far, until the generation has ended."""

import asyncio
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class AttemptText:
    """Names a text: the variant (from 1) of an attempt of a generation."""

    generation_id: UUID
    attempt: int
    variant: int = 1


class PartialTexts(Protocol):
    """Keeps the texts of attempts, piece by piece. Offsets are code points, from 0.

    Raises:
        Unavailable: the database does not answer.
    """

    async def append(self, of: AttemptText, start: int, text: str) -> bool:
        """Keep the piece of a text that begins at `start`. A repeat keeps it once, and the longer one if it has more.

        Returns whether it is kept: False, if the generation has been erased.
        """

    async def read(self, of: AttemptText, start: int) -> str:
        """Return a text from `start` on, as far as it is kept without a gap."""

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        """Forget the texts of a generation's attempts up to `last_attempt`: another worker may write a later one."""


class TextSignals(Protocol):
    """Tells when texts of a generation may have grown or ended. A signal may be lost: also look from time to time."""

    def watched(self, generation_id: UUID) -> AbstractContextManager[asyncio.Event]:
        """Return an event that is set by each signal, as long as the context lasts. Clear it, and then look."""
