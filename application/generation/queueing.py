"""How generations wait: the job of one, and whose turn it is."""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from application.jobs import Job, Retries, Turn
from application.ports import ANSWER_TIMEOUT
from domain.billing.subscription import Plan

WEIGHTS: Mapping[Plan, int] = {"free": 1, "pro": 4, "enterprise": 8}
"""How the running generations are divided between plans while generations of each of them wait."""


MAX_BY_KEY = 20
"""The most generations of one model that a payer's own key pays at a time, in all workers together.

Those that were requested under another plan of the payer are counted apart: they wait in a lane of their own.
"""


class GenerateText(Job, frozen=True, kw_only=True):
    """Let a model write the text of a generation. `round`: how often it was requested.

    `payer_id`, `model`, `plan`, `own_key`: for its turn; jobs that were kept before there were turns have none. `model`
    is the one that is asked: the generation's, or while that one does not answer, a fallback of it.
    """

    kind: ClassVar[str] = "generate_text"
    queue: ClassVar[str] = "generation"
    run_timeout: ClassVar[timedelta] = ANSWER_TIMEOUT + timedelta(minutes=4)
    """Two judgements of moderation, an answer, and the time to store it."""
    retries: ClassVar[Retries] = Retries((1, 2, 4, 8, 16, 60), repeat_last=True)
    """The generation counts its tries itself: an attempt that has not asked the provider is none."""

    generation_id: UUID
    round: int
    payer_id: UUID | None = None
    model: str = ""
    plan: Plan = "free"
    own_key: bool = False

    @property
    def effect_key(self) -> str:
        """The generation: its state shows what was done."""
        return f"generation:{self.generation_id}:{self.round}"

    @property
    def lock(self) -> str | None:
        """One worker at a time writes a generation."""
        return f"generation:{self.generation_id}"

    @property
    def turn(self) -> Turn | None:
        """Payers take turns at a model; plans share it by weight. What keys of payers pay waits apart from our own."""
        if self.payer_id is None or not self.model:
            return None
        payer, weight = str(self.payer_id), WEIGHTS[self.plan]
        if self.own_key:
            return Turn(payer, by_own_keys(self.model), weight, MAX_BY_KEY)
        return Turn(payer, self.model, weight)


def by_own_keys(model: str) -> str:
    """Return the name of the resource of a model's generations that keys of payers pay."""
    return f"{model}@own"
