"""Job and use case: the first refusal of a budget becomes an event, so that who pays gets a mail.

The refused command itself stores nothing (`application/generation/asking.py`).
"""

from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.jobs import Job, performs
from application.lookup import find
from application.ports import Clock, SendAsSystem, Store
from domain.billing.budget import Allowance, Budget
from domain.kernel import Party, PartyKind


class NoteUsedUp(Job, frozen=True, kw_only=True):
    """Note that a budget has refused a text by this allowance.

    `budget_version`: of the event that the refused command could not store.
    """

    kind: ClassVar[str] = "note_used_up"

    payer_kind: PartyKind
    payer_id: UUID
    month: str
    tokens: int
    micros: int
    budget_version: int

    @property
    def effect_key(self) -> str:
        """One for each version and allowance of a budget: what was raised may be lowered, and then refuse again."""
        return f"used_up:{self.payer_id}:{self.month}:{self.tokens}:{self.micros}:{self.budget_version}"


class NoteRefusal(Command[None]):
    """Note that a budget has refused a text by this allowance, unless that is known."""

    payer_kind: PartyKind
    payer_id: UUID
    month: str
    tokens: int
    micros: int


@performs
async def note_used_up(job: NoteUsedUp, send: SendAsSystem) -> None:
    command = NoteRefusal(
        payer_kind=job.payer_kind, payer_id=job.payer_id, month=job.month, tokens=job.tokens, micros=job.micros
    )
    await send(command, job.effect_key)


@handles
async def note_refusal(cmd: NoteRefusal, store: Store, clock: Clock) -> None:
    payer, now = Party(cmd.payer_kind, cmd.payer_id), clock()
    budget = await find(store, Budget, Budget.id_of(payer, cmd.month))
    budget = budget or Budget.open(payer=payer, month=cmd.month, now=now)
    budget.note_refusal(Allowance(cmd.tokens, cmd.micros), now=now)
    store.save(budget)
