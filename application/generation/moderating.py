"""Moderation of generations: what the asker wrote is judged before the provider is asked, its answer before it is kept.

The document is not judged: it may quote anything, and the model's text about it is judged.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from application.commands import Command, handles
from application.generation.attempts import TextUse, cost_of, uncounted
from application.generation.paying import budget_of, settle_up
from application.ports import Clock, Moderation, Store, Unavailable
from domain.generation.events import RefusalReason
from domain.generation.generation import Generation
from domain.generation.refusing import withhold

PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to have a text judged: to write it again would cost money."""


@dataclass(frozen=True, slots=True)
class TextRefusal:
    """Why a text is not given out. `categories`: those for which moderation refuses it."""

    reason: RefusalReason
    categories: tuple[str, ...] = ()


class WithholdText(Command[None]):
    """End an attempt without giving its texts out. `categories`: what moderation found. `used`: by each text."""

    generation_id: UUID
    attempt: int
    refused: RefusalReason
    categories: tuple[str, ...]
    used: Sequence[TextUse]


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
async def withhold_text(cmd: WithholdText, store: Store, clock: Clock) -> None:
    generation, now = await store.get(Generation, cmd.generation_id), clock()
    budget, before = await budget_of(store, generation), generation.cost
    cost = cost_of(cmd.used, generation)
    withhold(generation, cmd.attempt, cmd.refused, cmd.categories, cost=cost, uncounted=uncounted(cmd.used), now=now)
    settle_up(budget, generation, before, now)
    store.save(generation, budget)
