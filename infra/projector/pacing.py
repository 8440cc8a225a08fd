"""Pacing of projectors: when to poll, to linger, to stand by and to back off. All times are in seconds."""

import random

POLL_SECONDS = 1.0
"""Longest wait for events or for a state that has to be checked again."""

STANDBY_SECONDS = 1.0
"""Wait while another projector moves the projection."""

LOCKED_SECONDS = 0.05
"""Wait while another transaction holds the checkpoint."""

LINGER_SECONDS = 0.03
MIN_LINGER_EVENTS = 24

MIN_BACK_OFF_SECONDS, MAX_BACK_OFF_SECONDS = 0.1, 5.0


def linger(events: int, seconds: float, full_batch: int) -> float:
    """Wait after a round that applied `events` in `seconds`, so that the next batch fills.

    A round costs nearly the same for few events as for many, and on a busy machine the writers pay for it. So while
    events come in numbers, rounds begin at most every `LINGER_SECONDS`. There is no wait after a few events, nor after
    a full batch, which means that the projector is behind.
    """
    return max(0.0, LINGER_SECONDS - seconds) if MIN_LINGER_EVENTS <= events < full_batch else 0.0


def back_off(failures: int) -> float:
    """Wait after so many failures in a row: exponential, bounded, with jitter."""
    longest: float = min(MAX_BACK_OFF_SECONDS, MIN_BACK_OFF_SECONDS * 2 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311
