"""Limits: how often something may be done, counted in buckets (the generic cell rate algorithm, GCRA).

A bucket of a quota of 5 in 60 seconds lets 5 through at once and then one each 12 seconds: in any time t, never more
than 5 + t / 12. Source: ITU-T I.371, annex A.1 (the virtual scheduling algorithm). All times here are microseconds and
whole numbers, so that a bucket says exactly when it lets the next one through.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class Quota:
    """`count` in `seconds`. `name`: shown to clients, in lower case with dashes.

    `count_alone`: the count of a process that counts by itself because it does not reach the others.
    `step`: the time that frees one; `window`: the time that frees all of them.
    """

    name: str
    count: int
    seconds: int
    count_alone: int
    step: int = field(init=False)
    window: int = field(init=False)

    def __post_init__(self) -> None:
        step = -(-self.seconds * MICROSECONDS // self.count)  # rounded up: never more than `count`
        object.__setattr__(self, "step", step)
        object.__setattr__(self, "window", step * self.count)

    def alone(self) -> "Quota":
        """Return the quota of a process that counts by itself."""
        return self if self.count_alone == self.count else Quota(self.name, self.count_alone, self.seconds, self.count)


class Bucket(msgspec.Struct, frozen=True):
    """What a caller has of a quota. `caller` may be personal data, such as an address: its `repr` leaves that out.

    `group`: buckets that are charged together have the same one; a server holds all buckets of a group. `cost`: how
    many are charged at once.
    """

    quota: Quota
    caller: str
    group: str
    cost: int = 1

    def __repr__(self) -> str:
        return f"Bucket(quota={self.quota!r}, cost={self.cost})"


class BucketState(msgspec.Struct, frozen=True):
    """A bucket after a decision about `cost`. `used`: the time in which it will be empty."""

    quota: Quota
    used: int
    cost: int = 1

    @property
    def remaining(self) -> int:
        """How many it lets through at once."""
        return (self.quota.window - self.used) // self.quota.step

    @property
    def wait(self) -> int:
        """The time until it lets the cost through, or as much of it as it ever does; 0: now."""
        return max(0, self.used + min(self.cost, self.quota.count) * self.quota.step - self.quota.window)

    @property
    def wait_for_one(self) -> int:
        """The time until it lets one through; 0: now."""
        return max(0, self.used + self.quota.step - self.quota.window)

    @property
    def costs_too_much(self) -> bool:
        """Whether the bucket never lets the cost through, not even when it is empty."""
        return self.cost > self.quota.count


class Decision(msgspec.Struct, frozen=True):
    """Whether all buckets let a request through, and their states. If one refuses, none of them is charged."""

    admitted: bool
    states: tuple[BucketState, ...]

    @property
    def retry_after(self) -> int:
        """Whole seconds until all buckets let a request through; 0: they do now."""
        return -(-max((state.wait for state in self.states), default=0) // MICROSECONDS)


class Limits(Protocol):
    """Counts in buckets. It always answers: where buckets are shared and cannot be reached, a process counts alone."""

    async def take(self, buckets: Sequence[Bucket]) -> Decision:
        """Charge each of the buckets, or none if one of them has too little left."""

    async def give_back(self, buckets: Sequence[Bucket]) -> None:
        """Undo a charge."""
