"""Port to a provider that writes batches: many texts for less money, within a day.

A batch is known by an id of ours, which the provider keeps with it: what was begun is found again, whatever died
meanwhile. Results are files of the provider, which stay until they are cleared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from application.ports.errors import Unavailable
from application.ports.provider import AnswerEnd, Prompt, PromptRefused

BatchStage = Literal["uploaded", "running", "cancelling", "completed", "failed", "expired", "cancelled"]
"""The file of its prompts is there, and nothing more; it waits or is written, or is about to stop; or it has ended."""


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """A text of a batch."""

    text: str = field(repr=False)
    end: AnswerEnd


BatchResult = BatchAnswer | PromptRefused | Unavailable
"""What came of a prompt, or why nothing came."""


@dataclass(frozen=True, slots=True)
class ProviderBatch:
    """A batch as the provider has it. `id`: ours; `name`: the provider's, None until it is begun.

    `result_files`: with what was written, and what failed. `files`: all that it has left at the provider, in the order
    in which they are to be deleted.
    """

    id: UUID
    name: str | None
    stage: BatchStage
    created_at: datetime
    result_files: tuple[str, ...]
    files: tuple[str, ...]


class BatchProvider(Protocol):
    """The batches of an account at the provider. `key`: that of a payer; None: ours.

    All methods raise `PromptRefused` (`KeyRefused`) if a repeat cannot help, and `Unavailable` if it is not known what
    became of the request, or a repeat may help.
    """

    async def upload(self, id: UUID, prompts: Sequence[Prompt], key: str | None) -> str:
        """Send the prompts of a batch, all to one model, each with a `request_id`. Returns the name of the file."""

    async def begin(self, id: UUID, model: str, file: str, key: str | None) -> None:
        """Let the batch of a file begin. Raises `UnknownModel`, too."""

    async def since(self, moment: datetime, key: str | None) -> list[ProviderBatch]:
        """Return the batches that this installation has begun or uploaded since then, but none of others."""

    async def results(self, batch: ProviderBatch, key: str | None) -> Mapping[str, BatchResult]:
        """Return what came of the prompts of a batch that has ended, by `request_id`. Some may be missing.

        Files that are gone are left out: the batch was being cleared.
        """

    async def cancel(self, batch: ProviderBatch, key: str | None) -> None:
        """Let the provider stop. What is written until then is paid, and among the results."""

    async def clear(self, batch: ProviderBatch, key: str | None) -> None:
        """Delete the files of a batch. Those that are gone already are left out."""
