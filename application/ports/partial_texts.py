"""Port to texts that are being written: each attempt's text so far, until the generation has ended."""

from typing import Protocol
from uuid import UUID


class PartialTexts(Protocol):
    """Keeps the texts of attempts, piece by piece. Offsets are code points, from 0.

    Raises:
        Unavailable: the database does not answer.
    """

    async def append(self, generation_id: UUID, attempt: int, start: int, text: str) -> bool:
        """Keep the piece of text that begins at `start`. A repeat keeps it once.

        Returns whether it is kept: False, if the generation has been erased.
        """

    async def read(self, generation_id: UUID, attempt: int, start: int) -> str:
        """Return the text of an attempt from `start` on, as far as it is kept without a gap."""

    async def remove(self, generation_id: UUID, last_attempt: int) -> None:
        """Forget the texts of a generation's attempts up to `last_attempt`: another worker may write a later one."""
