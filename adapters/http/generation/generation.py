"""HTTP for generations: parse, send, answer."""

from functools import partial
from typing import Annotated, ClassVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from adapters.http.api.commands import CommandSender, Completion, Send
from adapters.http.api.lists import List
from adapters.http.api.openapi import FRESH, KEYED, listing, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import MAX_CHARACTER_BYTES, MAX_VERSION, Body, PageQuery
from application.generation.generation import (
    AcceptDraft,
    CancelGeneration,
    DeleteGeneration,
    DiscardDraft,
    GenerationView,
    RequestGeneration,
    RetryGeneration,
    with_place,
    with_place_now,
)
from application.generation.watching import GenerationReader
from domain.access import DOCUMENT
from domain.content.texts import CONTENT_LENGTH
from domain.generation.generation import GENERATION, Status
from domain.generation.placement import Placement, Target
from domain.generation.requesting import MAX_TEMPERATURE, MAX_VARIABLES, MAX_VARIANTS, PROMPT_LENGTH, VARIABLE_LENGTH
from domain.generation.sources import MAX_SOURCES, SourceDocument
from domain.generation.urgency import Urgency
from projections.generation.generation import GeneratedPassage, GenerationSummary, generated_passages, generations
from projections.page import Page

router = Router("/v1", tag=Tag("generations", "Texts that language models write for documents."))

MAX_WAIT_SECONDS = 30.0
MAX_NAME_LENGTH = 64

GIVES = ("Location", "Consistency-Token", "Idempotency-Replayed")


class TextPlace(BaseModel):
    """Where the text goes: `append` is the end of the document. `draft`: nowhere, until it is accepted.

    `replace` takes the place of the whole content, `insert` is before the character `start`, and `passage` takes the
    place of the characters from `start` to `end`; they are code points of the content of `version`.
    """

    model_config = Body.model_config
    target: Target = "append"
    version: Annotated[int | None, Field(ge=1, le=MAX_VERSION)] = None
    start: Annotated[int | None, Field(ge=0, le=CONTENT_LENGTH)] = None
    end: Annotated[int | None, Field(ge=0, le=CONTENT_LENGTH)] = None

    @property
    def placement(self) -> Placement:
        """The place as a value of the domain."""
        return Placement(self.target, self.version, self.start, self.end)


class TextSource(BaseModel):
    """A document to draw on, as it was at a version. The caller must be able to read it."""

    model_config = Body.model_config
    document_id: UUID
    version: Annotated[int, Field(ge=1, le=MAX_VERSION)]


class TextRequest(Body):
    """What to ask a model for. `variables`: values by name; the prompt names them as `{{name}}`.

    `variants`: the number of texts to choose from; of several, all are drafts. `sources`: documents to draw on.
    `urgency`: `batch` is a text for less money that comes within 50 hours, mostly within a day.
    """

    MAX_BYTES: ClassVar[int] = (
        Body.MAX_BYTES + (PROMPT_LENGTH + MAX_VARIABLES * (VARIABLE_LENGTH + MAX_NAME_LENGTH)) * MAX_CHARACTER_BYTES
    )
    prompt: Annotated[str, Field(min_length=1, max_length=PROMPT_LENGTH, examples=["Describe the river in spring."])]
    variables: Annotated[
        dict[Annotated[str, Field(max_length=MAX_NAME_LENGTH)], Annotated[str, Field(max_length=VARIABLE_LENGTH)]],
        Field(max_length=MAX_VARIABLES, examples=[{"tone": "calm"}]),
    ] = Field(default_factory=dict)
    place: TextPlace = TextPlace()
    model: Annotated[str | None, Field(min_length=1, max_length=100)] = None
    max_output_tokens: Annotated[int | None, Field(ge=1, le=1_000_000)] = None
    temperature: Annotated[float | None, Field(ge=0, le=MAX_TEMPERATURE)] = None
    variants: Annotated[int, Field(ge=1, le=MAX_VARIANTS)] = 1
    sources: Annotated[list[TextSource], Field(max_length=MAX_SOURCES, examples=[[]])] = Field(default_factory=list)
    urgency: Urgency = "now"

    def command(self, document_id: UUID) -> RequestGeneration:
        """Return the command that asks for the text."""
        return RequestGeneration(
            document_id=document_id,
            prompt=self.prompt,
            variables=self.variables,
            placement=self.place.placement,
            model=self.model,
            max_output_tokens=self.max_output_tokens,
            temperature=self.temperature,
            variants=self.variants,
            sources=[SourceDocument(each.document_id, each.version) for each in self.sources],
            urgency=self.urgency,
        )


class DraftChoice(Body):
    """Which of several texts to write, and where; without `place` where it was asked for, or at the end."""

    variant: Annotated[int, Field(ge=1, le=MAX_VARIANTS)] = 1
    place: TextPlace | None = None

    def command(self, id: UUID) -> AcceptDraft:
        """Return the command that accepts the draft."""
        return AcceptDraft(id=id, placement=None if self.place is None else self.place.placement, variant=self.variant)


def _placed(send: CommandSender) -> Completion[GenerationView]:
    """Return what tells a generation's place in the queue."""
    return Completion(
        first=partial(with_place, queue=send.queue),
        repeated=partial(with_place_now, queue=send.queue, events=send.history),
    )


class GenerationQuery(PageQuery):
    """Filters and page of a list of generations."""

    status: Annotated[Status | None, Field(description="Only generations with this status.")] = None
    document: Annotated[UUID | None, Field(description="Only generations for this document.")] = None


@router.post(
    "/documents/{document_id}/generate",
    response_model=GenerationView,
    **operation(
        "The generation; its text comes later.",
        access=DOCUMENT.action("generate"),
        takes=KEYED,
        gives=GIVES,
        status=202,
        limits=["user", "generation"],
    ),
)
async def request_generation(document_id: UUID, body: TextRequest, send: Send) -> Answer:
    """Ask a language model for a text for a document. Requires the editor role.

    What it may cost at most is reserved in the month's budget: of the team that owns the document, or else the
    caller's. `Location` shows how it goes. The text is written into the document as one save; if the document changes
    meanwhile, and a place in it was named, the text is kept as a draft. So are several `variants`, each of which counts
    as one request. With the urgency `batch` the prices are those of batches, and `latest_at` says when the text is
    there at the latest, or given up.
    """
    await send.charge(limit="generation", cost=body.variants - 1)
    return await send(body.command(document_id), at="/v1/generations/{}", complete=_placed(send))


@router.get(
    "/documents/{document_id}/generated-passages",
    response_model=list[GeneratedPassage],
    **operation("The passages.", access=DOCUMENT.action("read"), takes=FRESH),
)
async def list_generated_passages(document_id: UUID, read: Read) -> Answer:
    """List what models wrote in a document, in the versions that they wrote. Requires the viewer role.

    `GET .../versions/blame` shows how much of these versions is left in a later one.
    """
    result = await read.query(generated_passages, read.actor, document_id)
    return read.unversioned(read.found(await read.opened(result)))


@router.get(
    "/generations",
    response_model=Page[GenerationSummary],
    **listing("A page of generations.", access=GENERATION.action("list")),
)
async def list_generations(paged: Annotated[GenerationQuery, Query()], read: List) -> Response:
    """List what the caller has asked models for, the latest first."""
    return await read.listed(
        generations,
        read.actor,
        status=paged.status,
        document_id=paged.document,
        cursor=paged.cursor,
        limit=paged.limit,
    )


@router.get(
    "/generations/{generation_id}",
    response_model=GenerationView,
    **operation("The generation.", access=GENERATION.action("read"), takes=["Prefer"]),
)
async def get_generation(generation_id: UUID, read: Read) -> Answer:
    """Get a generation with its text so far. Requires the asker role.

    With `Prefer: wait=30` the answer waits for the end, 30 seconds at most. Never stale: read from the event log.
    """
    reader = GenerationReader(read.history, read.partial_texts, read.queue, read.actor)
    return read.unversioned(await reader.view(generation_id, read.preferred_wait(MAX_WAIT_SECONDS)))


@router.post(
    "/generations/{generation_id}/cancel",
    response_model=GenerationView,
    **operation("The generation.", access=GENERATION.action("change"), takes=KEYED),
)
async def cancel_generation(generation_id: UUID, send: Send) -> Answer:
    """Cancel a generation that is queued or running; what is written is paid for. Requires the asker role."""
    return await send(CancelGeneration(id=generation_id))


@router.post(
    "/generations/{generation_id}/retry",
    response_model=GenerationView,
    **operation(
        "The generation; its text comes later.",
        access=GENERATION.action("change"),
        takes=KEYED,
        gives=GIVES,
        status=202,
        limits=["user", "generation"],
    ),
)
async def retry_generation(generation_id: UUID, send: Send) -> Answer:
    """Ask again for a text that failed, is dead or was cancelled, or was discarded. Requires the asker role."""
    return await send(RetryGeneration(id=generation_id), at="/v1/generations/{}", complete=_placed(send))


@router.post(
    "/generations/{generation_id}/accept",
    response_model=GenerationView,
    **operation("The generation.", access=GENERATION.action("change"), takes=KEYED),
)
async def accept_draft(generation_id: UUID, body: DraftChoice, send: Send) -> Answer:
    """Write a draft into the document, as one save. Requires the asker role, and leave to edit the document."""
    return await send(body.command(generation_id))


@router.post(
    "/generations/{generation_id}/discard",
    response_model=GenerationView,
    **operation("The generation.", access=GENERATION.action("change"), takes=KEYED),
)
async def discard_draft(generation_id: UUID, send: Send) -> Answer:
    """Throw all drafts away. Requires the asker role."""
    return await send(DiscardDraft(id=generation_id))


@router.delete(
    "/generations/{generation_id}",
    **operation("It is deleted.", access=GENERATION.action("change"), takes=KEYED, status=204),
)
async def delete_generation(generation_id: UUID, send: Send) -> Answer:
    """Delete a generation that has written nothing, with its prompt, for good. Requires the asker role.

    It failed, is dead or was cancelled, or its draft was discarded. What it has cost stays in the budget.
    """
    return await send(DeleteGeneration(id=generation_id))
