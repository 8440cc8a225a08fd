"""The plan of an attempt: what it sends to a model, as things are now, or why it sends nothing."""

from dataclasses import dataclass, replace

from application.generation.moderating import judge_prompt
from application.generation.prompting import prompt_of
from application.generation.provider_key import used_key
from application.generation.sources import texts_of_sources
from application.ports import EventStore, Moderation, Prompt
from domain.content.document import Document
from domain.generation.events import RefusalReason
from domain.generation.generation import Generation


@dataclass(frozen=True, slots=True)
class AttemptPlan:
    """What is to be sent; None: nothing. `refused`: why it is not sent after all, and moderation's `categories`.

    `document`: with which the prompt was made.
    """

    prompt: Prompt | None = None
    document: Document | None = None
    refused: RefusalReason | None = None
    categories: tuple[str, ...] = ()


async def planned(
    generation: Generation, canary: str, events: EventStore, moderation: Moderation, model: str
) -> AttemptPlan:
    """Return what the next attempt sends to a model, as things are now. Raises `Unavailable`."""
    document = await events.load(Document, generation.document_id) if generation.is_open else None
    sources = None if document is None else await texts_of_sources(events, generation.sources)
    if document is None or sources is None:
        # The generation has ended, or a document of it was erased.
        return AttemptPlan()
    prompt = replace(prompt_of(generation, document, sources, canary), model=model)
    if categories := await judge_prompt(moderation, generation):
        return AttemptPlan(prompt, document, "unsafe_prompt", categories)
    if not generation.own_key:
        return AttemptPlan(prompt, document)
    key = await used_key(events, generation.payer)
    return (
        AttemptPlan(prompt, document, "own_key") if key is None else AttemptPlan(replace(prompt, key=key.key), document)
    )
