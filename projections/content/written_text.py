"""Texts that models wrote into a document, by its versions; the read model of generations has them."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from application.ports import ReadStore
from domain.content.blame import GeneratedText
from projections.kernel import reads

WRITTEN = """
SELECT revision AS version, start_at AS start, end_at AS "end", answered_by AS model, id AS generation_id, is_sandbox
FROM read.generation WHERE document_id = %s AND revision IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text by a model, as the save of a version wrote it."""

    version: int
    start: int
    end: int
    model: str
    generation_id: UUID
    is_sandbox: bool

    @property
    def place(self) -> GeneratedText:
        """Where the text is in the content of its version."""
        return GeneratedText(self.start, self.end, self.generation_id)


@reads("generation")
async def written_texts(rows: ReadStore, document_id: UUID) -> Mapping[int, WrittenText]:
    """Return the texts of a document that models wrote, by the version that their save made."""
    return {text.version: text for text in await rows.all(WrittenText, WRITTEN, [document_id])}
