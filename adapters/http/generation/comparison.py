"""HTTP for comparisons: parse, send, answer."""

from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import BaseModel, Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import MAX_CHARACTER_BYTES, Body
from application.generation.comparison import (
    CompareTexts,
    Comparison,
    ComparisonRequest,
    ComparisonView,
    Side,
    comparison,
)
from domain.access import DOCUMENT
from domain.generation.comparison import COMPARISON
from domain.generation.requesting import MAX_TEMPERATURE, MAX_VARIABLES, PROMPT_LENGTH, VARIABLE_LENGTH

router = Router("/v1", tag="generations")

MAX_NAME_LENGTH = 64


class ComparisonSide(BaseModel):
    """A prompt, and the model to ask; without one, the default model."""

    model_config = Body.model_config
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_LENGTH, examples=["Describe the river in spring."])]
    model: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    max_output_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    temperature: Annotated[float | None, Field(ge=0, le=MAX_TEMPERATURE)] = None

    @property
    def side(self) -> Side:
        """The side as a value of the use case."""
        return Side(self.prompt, self.model, self.max_output_tokens, self.temperature)


class ComparisonBody(Body):
    """What to compare. `variables`: values by name for both prompts, which name them as `{{name}}`."""

    MAX_BYTES: ClassVar[int] = (
        Body.MAX_BYTES + (2 * PROMPT_LENGTH + MAX_VARIABLES * (VARIABLE_LENGTH + MAX_NAME_LENGTH)) * MAX_CHARACTER_BYTES
    )
    variables: Annotated[
        dict[Annotated[str, Field(max_length=MAX_NAME_LENGTH)], Annotated[str, Field(max_length=VARIABLE_LENGTH)]],
        Field(max_length=MAX_VARIABLES, examples=[{"tone": "calm"}]),
    ] = Field(default_factory=dict)
    left: ComparisonSide
    right: ComparisonSide


@router.post(
    "/documents/{document_id}/comparisons",
    response_model=ComparisonRequest,
    **operation(
        "The comparison; its texts come later.",
        access=DOCUMENT.action("generate"),
        takes=KEYED,
        gives=("Location", "Consistency-Token", "Idempotency-Replayed"),
        status=202,
        limits=["user", "generation"],
    ),
)
async def compare_texts(document_id: UUID, body: ComparisonBody, send: Send) -> Answer:
    """Ask two models, or with two prompts, for a text for a document. Requires the editor role.

    Both texts are drafts of the document, and each counts as one request of a text. `Location` shows them side by side.
    """
    await send.charge(limit="generation", cost=1)
    command = CompareTexts(
        document_id=document_id, variables=body.variables, left=body.left.side, right=body.right.side
    )
    return await send(command, at="/v1/comparisons/{}")


@router.get(
    "/comparisons/{comparison_id}",
    response_model=ComparisonView,
    **operation(
        "Both texts.",
        access=COMPARISON.action("read"),
        media={"text/x-diff": "@@ -1,1 +1,1 @@\n-Otters.\n+Beavers.\n"},
    ),
)
async def get_comparison(comparison_id: UUID, read: Read) -> Answer:
    """Get two texts side by side, with tokens, costs and times. Requires the asker role.

    `changes` has the words that differ, once both texts are there; with `Accept: text/x-diff` the answer is a unified
    diff of the texts. Each text can be accepted or discarded as a generation. Never stale: read from the event log.
    """
    found = await comparison(read.history, read.actor, comparison_id)
    return await read.either(found, Comparison.view, {"text/x-diff": Comparison.unified})
