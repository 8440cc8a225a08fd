"""What is refused: prompts that are not sent, answers that are not given out, keys that do not pay."""

from collections.abc import Sequence
from datetime import datetime

from domain.generation.events import RefusalReason
from domain.generation.generation import Generation
from domain.generation.pricing import AttemptCost


def refuse(generation: Generation, refused: RefusalReason, categories: Sequence[str], *, now: datetime) -> None:
    """Record what is refused, and the categories for which moderation refuses it."""
    generation.trigger_event(Generation.TextRefused, now=now, refused=refused, categories=[*categories])


def withhold(
    generation: Generation,
    attempt: int,
    refused: RefusalReason,
    categories: Sequence[str],
    *,
    cost: AttemptCost,
    now: datetime,
) -> None:
    """End an attempt without giving its texts out, and the generation with it. The texts are paid for.

    An attempt that has ended already causes no event. Nothing is kept of why an erased text is refused.
    """
    if attempt != generation.attempt or not generation.attempt_is_open:
        return
    if not generation.erased:
        refuse(generation, refused, categories, now=now)
    generation.end_attempt(
        attempt,
        "refused",
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        micros=cost.micros,
        now=now,
    )
