"""Challenges: work that a program must do before it may go on, as a person would solve a puzzle (CAPTCHA)."""

from collections.abc import Mapping
from typing import Literal, Protocol

ChallengePurpose = Literal["sign-in"]
"""What the solution of a challenge is for."""

MAX_WORK = 4
"""The maximum work of a challenge. 0 is the minimum; each step doubles it."""


class Challenges(Protocol):
    """Challenges for one purpose and one network of clients each."""

    def issue(self, purpose: ChallengePurpose, network: str, work: int = 0) -> Mapping[str, object]:
        """Return a new challenge, in the form that the client's program for it takes. `work`: up to `MAX_WORK`."""

    async def accept(self, purpose: ChallengePurpose, network: str, solution: str, work: int = 0) -> bool:
        """Return whether a text solves a challenge of ours, for this purpose and network, of at least this work.

        It counts once. One of too little work is not used up.
        """
