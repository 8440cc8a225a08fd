"""Versions of servers without known holes: per branch the oldest one, and what it mends.

A distribution may mend an older version and keep its number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ServerVersion = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Floors:
    """The oldest safe version of each branch, in order; a branch has the same first `branch` numbers."""

    branch: int
    versions: Sequence[ServerVersion]
    reason: str

    def above(self, version: ServerVersion) -> ServerVersion | None:
        """The floor that a version is below: that of its branch, or else of the next branch. None: it is safe."""
        for floor in self.versions:
            if floor[: self.branch] >= version[: self.branch]:
                return floor if version < floor else None
        return None


FLOORS: Mapping[str, Floors] = {
    "PostgreSQL": Floors(
        1,
        ((14, 24), (15, 19), (16, 15), (17, 11), (18, 6)),
        "the releases of 13 August 2026 mend CVE-2026-6471 and 27 others",
    ),
    "Redis": Floors(
        2,
        ((6, 2, 23), (7, 2, 15), (7, 4, 10), (8, 2, 8), (8, 4, 5), (8, 6, 5), (8, 8, 1)),
        "the releases of 24 July 2026 mend CVE-2026-12087 (code execution) and others",
    ),
    "Valkey": Floors(
        2,
        ((7, 2, 14), (8, 0, 10), (8, 1, 9), (9, 0, 5), (9, 1, 1)),
        "the releases of 21 July 2026 mend CVE-2026-56684 and CVE-2026-63639 (code execution)",
    ),
    # Brokers show their branch only, not the last number.
    "Kafka": Floors(
        2,
        ((3, 9),),
        "older brokers have CVE-2024-56128 (SCRAM logins) or CVE-2025-27819, and get no more fixes",
    ),
}
"""By server."""


def upgrade(server: str, version: ServerVersion) -> str:
    """What to do about a version with known holes; empty if it has none, or the server is not in the table."""
    floors = FLOORS.get(server)
    floor = floors and floors.above(version)
    if not floors or not floor:
        return ""
    return f"Upgrade to {written(floor)} or later: {floors.reason}. (A distribution's package may be mended.)"


def written(version: ServerVersion) -> str:
    """A version as people write it."""
    return ".".join(map(str, version))


def parsed(text: str) -> ServerVersion:
    """The numbers of a version, without what follows them."""
    numbers = text.partition("-")[0].split(".")
    return tuple(int(number) for number in numbers if number.isdigit())
