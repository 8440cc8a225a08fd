"""Port to the proved domains of all teams."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ProvedDomain:
    """A domain that a team has proved."""

    team_id: UUID
    domain_id: UUID


class ProvedDomains(Protocol):
    """Finds proved domains."""

    async def proved(self, *, after: UUID | None) -> list[ProvedDomain]:
        """Return the next proved domains, by id; empty: there are no more.

        `after`: the id of the last domain of the previous call.

        Raises:
            Unavailable: the database does not answer.
        """
