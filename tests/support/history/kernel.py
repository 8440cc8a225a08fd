"""The history itself. What each aggregate adds to it stands in a module of its own, which is found by discovery."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from domain.kernel import Refusal, Root

WORDS = ["otter", "heron", "naïve", "río", "雨", "“quoted”", "tab\tstop", "line\nbreak", "back\\slash", "e\u0301"]

FIRST_ADDRESS = 0xADD_0000

R = TypeVar("R", bound=Root)

Step = Callable[["History"], list[Root]]
"""Makes one change. Returns the aggregates that changed together."""


@dataclass(frozen=True)
class Beginning:
    """A step that begins a new aggregate, with this chance at each change once there is one and what it needs."""

    step: Step
    kind: type[Root]
    chance: float
    needs: Sequence[type[Root]]


@dataclass(frozen=True)
class Change:
    """A step that changes an aggregate, as often as its weight says in relation to those of others."""

    step: Step
    kind: type[Root]
    weight: int


BEGINNINGS: list[Beginning] = []
CHANGES: list[Change] = []


def begins(kind: type[Root], *, chance: float, needs: Sequence[type[Root]] = ()) -> Callable[[Step], Step]:
    """Register a function that begins an aggregate of this kind."""

    def register(step: Step) -> Step:
        BEGINNINGS.append(Beginning(step, kind, chance, needs))
        return step

    return register


def changes(kind: type[Root], *, weight: int) -> Callable[[Step], Step]:
    """Register a function that changes an aggregate of this kind."""

    def register(step: Step) -> Step:
        CHANGES.append(Change(step, kind, weight))
        return step

    return register


class History:
    """Makes one change after the other. Append what `changes` yields to a store, in order."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = datetime(2026, 11, 1, tzinfo=UTC)
        self._roots: dict[type[Root], list[Root]] = {}
        # Modules import each other, so the order of registration depends on who was imported first.
        self._beginnings = sorted(BEGINNINGS, key=lambda each: (len(each.needs), each.step.__module__))
        self._changes = sorted(CHANGES, key=lambda each: each.step.__module__)

    def changes(self, count: int) -> Iterator[list[Root]]:
        """`count` times the aggregates that changed together, with their events pending."""
        made = 0
        while made < count:
            self.now += timedelta(minutes=self.random.randrange(1, 90), microseconds=self.random.randrange(10**6))
            try:
                roots = [root for root in self._step() if root.pending_events]
            except Refusal:
                continue
            if roots:
                made += 1
                yield roots

    def of(self, kind: type[R]) -> list[R]:
        """All aggregates of a kind, in the order in which they began."""
        return self._roots.get(kind, [])  # type: ignore[return-value]

    def roots(self) -> list[Root]:
        """All aggregates, kind by kind."""
        return [root for roots in self._roots.values() for root in roots]

    def any(self, kind: type[R]) -> R:
        """An aggregate of a kind, by chance."""
        return self.random.choice(self.of(kind))

    def add(self, root: R) -> R:
        """Keep an aggregate that has just begun."""
        self._roots.setdefault(type(root), []).append(root)
        return root

    def id(self) -> UUID:
        """A new id."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def text(self, max_words: int = 30) -> str:
        """Some words, with everything that is hard to store."""
        return " ".join(self.random.choices(WORDS, k=self.random.randrange(1, max_words)))

    def line(self) -> str:
        """A few words on one line."""
        return " ".join(self.text(5).split())

    def address(self) -> tuple[UUID, str]:
        """One of eight email addresses, with its blind id, which must not equal the id of a test's note."""
        n = self.random.randrange(8)
        return UUID(int=FIRST_ADDRESS + n), f"reader{n}@example.org"

    def _step(self) -> list[Root]:
        for each in self._beginnings:
            if all(self.of(kind) for kind in each.needs) and self._is_due(each) and (roots := each.step(self)):
                return roots
        possible = [each for each in self._changes if self.of(each.kind)]
        [chosen] = self.random.choices(possible, [each.weight for each in possible])
        return chosen.step(self)

    def _is_due(self, beginning: Beginning) -> bool:
        return not self.of(beginning.kind) or self.random.random() < beginning.chance
