"""What is refused: prompts that are not sent, answers that are not given out, keys that do not pay."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.generation.events import RefusalReason
from domain.generation.generation import Generation
from domain.generation.pricing import AttemptCost


def refuse(generation: Generation, refused: RefusalReason, categories: Sequence[str], *, now: datetime) -> None:
    """Record what is refused, and the categories for which moderation refuses it."""
    generation.trigger_event(Generation.TextRefused, now=now, refused=refused, categories=[*categories], variant=None)


@dataclass(frozen=True, slots=True)
class VariantRefusal:
    """A text of several that is refused. `variant`: its number, from 1."""

    variant: int
    refused: RefusalReason
    categories: tuple[str, ...] = ()


def refuse_variants(generation: Generation, attempt: int, refusals: Sequence[VariantRefusal], *, now: datetime) -> None:
    """Record which texts of an attempt are refused while it goes on without them.

    An attempt that has ended causes no event, nor does one that was erased: nothing is kept of why.
    """
    if not generation.is_under_way(attempt) or generation.erased:
        return
    for each in refusals:
        generation.trigger_event(
            Generation.TextRefused,
            now=now,
            refused=each.refused,
            categories=[*each.categories],
            variant=each.variant,
        )


def withhold(
    generation: Generation,
    attempt: int,
    refused: RefusalReason,
    categories: Sequence[str],
    *,
    cost: AttemptCost,
    now: datetime,
    uncounted: Sequence[int] = (),
) -> None:
    """End an attempt without giving its texts out, and the generation with it. The texts are paid for.

    An attempt that has ended already causes no event. Nothing is kept of why an erased text is refused. `uncounted`:
    the variants whose tokens only we have counted.
    """
    if not generation.is_under_way(attempt):
        return
    if not generation.erased:
        refuse(generation, refused, categories, now=now)
    generation.end_attempt(
        attempt,
        "refused",
        input_tokens=cost.input_tokens,
        output_tokens=cost.output_tokens,
        micros=cost.micros,
        uncounted=uncounted,
        now=now,
    )
