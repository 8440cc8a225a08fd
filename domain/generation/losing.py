"""What becomes of generations whose worker was lost, or that no worker ends."""

from datetime import datetime

from domain.generation.generation import RUNNING_TIME, WAITING_TIME, Generation


def lose_attempt(generation: Generation, *, output_tokens: int, now: datetime) -> None:
    """End the attempt that is under way, if there is one: its worker was lost, and the provider may bill it.

    `output_tokens`: of its texts, as far as they were kept. Those of an erased generation are gone: they cost the most
    that they may have cost.
    """
    most = generation.variants * generation.max_output_tokens
    generation.end_attempt(
        generation.attempt,
        "lost",
        input_tokens=generation.variants * generation.estimated_tokens,
        output_tokens=most if generation.erased else output_tokens,
        uncounted=range(1, generation.variants + 1),
        now=now,
    )


def expire(generation: Generation, *, lost_tokens: int, now: datetime) -> None:
    """Give a generation up if no worker has ended it in time. `lost_tokens`: as for `lose_attempt`."""
    if not generation.is_open or now < _lost_at(generation):
        return
    lose_attempt(generation, output_tokens=lost_tokens, now=now)
    if generation.is_open:
        generation.give_up("lost", now)


def _lost_at(generation: Generation) -> datetime:
    """Return when an open generation is worth waiting for no more, if nothing happens until then."""
    if generation.latest_at is not None:
        return generation.latest_at
    return generation.modified_on + (WAITING_TIME if generation.status == "queued" else RUNNING_TIME)
