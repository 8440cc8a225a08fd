"""Moderation of generations: what the asker wrote is judged before the provider is asked, its answer before it is kept.

The document is not judged: it may quote anything, and the model's text about it is judged.
"""

import asyncio
from uuid import UUID

from application.commands import Command, handles
from application.generation.attempts import price_of
from application.generation.paying import budget_of, settle_up
from application.ports import Clock, Models, Moderation, Store, Unavailable
from domain.generation.events import RefusalReason
from domain.generation.generation import Generation
from domain.generation.refusing import withhold

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to have a text judged: to write it again would cost money."""


class WithholdText(Command[None]):
    """End an attempt without giving its text out. `categories`: what moderation found."""

    generation_id: UUID
    attempt: int
    refused: RefusalReason
    categories: tuple[str, ...]
    model: str
    input_tokens: int
    output_tokens: int


async def judge_prompt(moderation: Moderation, generation: Generation) -> tuple[str, ...]:
    """Return the categories for which prompt and variables are refused. Raises `Unavailable`."""
    return await moderation.judge("\n\n".join([generation.prompt, *generation.variable_values]))


async def judge_text(moderation: Moderation, text: str) -> tuple[str, ...]:
    """Return the categories for which an answer is refused, after a few tries.

    Raises:
        Unavailable: there is no judgement.
    """
    for pause in PAUSES:
        try:
            return await moderation.judge(text)
        except Unavailable:
            await asyncio.sleep(pause)
    return await moderation.judge(text)


@handles
async def withhold_text(cmd: WithholdText, store: Store, clock: Clock, models: Models) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    withhold(
        generation,
        cmd.attempt,
        cmd.refused,
        cmd.categories,
        input_tokens=cmd.input_tokens,
        output_tokens=cmd.output_tokens,
        price=price_of(generation, cmd.model, models),
        now=now,
    )
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
