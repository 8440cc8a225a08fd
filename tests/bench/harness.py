"""What every row rests on: ways of doing a thing that take turns, their medians, and a verdict."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from tests.support.servers import Cluster, Database, PostgresForTests

TEXT = "A title that is as long as the text of an event in earnest, " * 4
"""Makes stored events of about 300 bytes."""

Way = Callable[[], float]
"""Does a thing for a while and answers how well, as one figure."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result.

    `ratio` is ours to the peer's, both being better the larger. `reach` is what the ratio must be at least or, where
    there is no ratio, what ours must stay below. A row without a reach is shown for information: `held` is None.
    """

    name: str
    ours: float
    peer: float | None
    unit: str
    ratio: float | None = None
    reach: float | None = None
    held: bool | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """What the rows are measured on. `scale` below 1 makes everything smaller, to see that it works at all."""

    postgres: PostgresForTests
    rounds: int
    scale: float

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A migrated database of one's own; nothing is left to write down from whatever was done before."""
        with Cluster(self.postgres.admin_url, self.postgres.app_url).database() as fresh:
            yield fresh

    def seconds(self, full: float) -> float:
        """How long to do something that takes `full` seconds in earnest."""
        return full * self.scale

    def count(self, full: int) -> int:
        """How many to take of what are `full` in earnest."""
        return max(1, round(full * self.scale))

    def in_turns(self, *ways: Way) -> list[list[float]]:
        """The figures of each way, one a round: A B, B A, A B. The first turn of each warms up and is left out."""
        for way in ways:
            way()
        figures: list[list[float]] = [[] for _ in ways]
        order = list(zip(ways, figures, strict=True))
        for _ in range(self.rounds):
            for way, found in order:
                gc.collect()
                found.append(way())
            order.reverse()
        return figures


def against(name: str, unit: str, ours: list[float], peer: list[float], reach: float | None = None) -> Row:
    """A row of figures that are the better the larger: the median of the ratios of the rounds must be `reach`."""
    ratio = median(mine / other for mine, other in zip(ours, peer, strict=True))
    return Row(name, median(ours), median(peer), unit, ratio, reach, None if reach is None else ratio >= reach)


def below(name: str, unit: str, ours: list[float], limit: float, peer: list[float] | None = None) -> Row:
    """A row of figures that are the better the smaller: their median must stay below `limit`."""
    return Row(name, median(ours), median(peer) if peer else None, unit, None, limit, median(ours) < limit)


def told(name: str, unit: str, ours: float, peer: float | None = None) -> Row:
    """A figure without a target."""
    return Row(name, ours, peer, unit)
