"""What is refused: prompts that are not sent, answers that are not given out, keys that do not pay."""

from collections.abc import Sequence
from datetime import datetime

from domain.generation.events import RefusalReason
from domain.generation.generation import Generation
from domain.generation.pricing import TokenPrice


def refuse(generation: Generation, refused: RefusalReason, categories: Sequence[str], *, now: datetime) -> None:
    """Record what is refused, and the categories for which moderation refuses it."""
    generation.trigger_event(Generation.TextRefused, now=now, refused=refused, categories=[*categories])


def withhold(
    generation: Generation,
    attempt: int,
    refused: RefusalReason,
    categories: Sequence[str],
    *,
    input_tokens: int,
    output_tokens: int,
    price: TokenPrice,
    now: datetime,
) -> None:
    """End an attempt without giving its text out, and the generation with it. The text is paid for.

    An attempt that has ended already causes no event.
    """
    if generation.erased or attempt != generation.attempt or not generation.attempt_is_open:
        return
    refuse(generation, refused, categories, now=now)
    generation.end_attempt(
        attempt, "refused", input_tokens=input_tokens, output_tokens=output_tokens, price=price, now=now
    )
