"""What goes wrong in jobs of batches: each generation, batch and key by itself, so that all others go on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID

from application.jobs import NAMED, JobFailed, report_unread
from application.ports import Busy, InFlight, NotSettled, PromptRefused, Unavailable, Unreadable
from domain.generation.provider_key import KeyChoice
from domain.kernel import Party, Refusal

LASTING = (Unreadable, Refusal)
"""Failures of one generation that a repeat does not mend, but for `PASSING` ones."""
PASSING = (Busy, InFlight, NotSettled, Unavailable)
"""Failures that a repeat may mend."""


class NotJudged(Exception):
    """There is no judgement of moderation now. `outage`: why."""

    def __init__(self, outage: Unavailable) -> None:
        super().__init__(str(outage))
        self.outage = outage


@dataclass(frozen=True, slots=True)
class BatchFailures:
    """The failures of a job so far."""

    passing: list[Exception] = field(default_factory=list)
    by_provider: list[PromptRefused] = field(default_factory=list)
    unread: dict[UUID, Unreadable] = field(default_factory=dict)
    refused: dict[UUID, Refusal] = field(default_factory=dict)
    """Generations that cannot be read, and those whose commands are refused."""

    def note(self, id: UUID, failure: Unreadable | Refusal) -> None:
        """Note why a generation, or a key, cannot go on."""
        if isinstance(failure, Unreadable):
            self.unread[id] = failure
        else:
            self.refused[id] = failure

    def is_noted(self, id: UUID, failure: BaseException) -> bool:
        """Note a failure of one generation, if a repeat does not mend it. Returns whether it does not."""
        if not isinstance(failure, LASTING) or isinstance(failure, PASSING):
            return False
        self.note(id, failure)
        return True

    @asynccontextmanager
    async def going_on(self, payer: Party | None) -> AsyncIterator[None]:
        """Note why something cannot be done now, so that all else is done. `payer`: whose key pays; None: ours does."""
        try:
            yield
        except PASSING as failure:
            self.passing.append(failure)
        except NotJudged as unjudged:
            self.passing.append(unjudged.outage)
        except PromptRefused as refusal:
            self.by_provider.append(refusal)
        except Unreadable as failure:
            if payer is None:
                raise
            self.note(KeyChoice.id_of(payer), failure)

    def report(self) -> None:
        """End a job that has done all else, if anything has failed.

        Raises:
            Unavailable, Busy, InFlight, NotSettled: a repeat may help.
            JobFailed: it does not.
        """
        for failure in self.passing:
            raise failure
        for refusal in self.by_provider:
            raise JobFailed(f"all else is done, but the provider refuses our batches: {refusal.reason}")
        if self.refused:
            named = ", ".join(f"{id} ({each.code})" for id, each in sorted(self.refused.items())[:NAMED])
            raise JobFailed(f"all else is done, but {len(self.refused)} generations are refused: {named}")
        report_unread(self.unread)
