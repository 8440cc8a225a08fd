"""Use cases of legal holds: one person asks, another one confirms. Operators send them (`palimpsest hold`)."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.commands import Command, handles
from application.ports import Clock, NewId, Store
from domain.privacy.erasure_record import ErasureRecord, SubjectKind
from domain.privacy.legal_hold import HoldState, LegalHold


@dataclass(frozen=True, slots=True)
class HoldView:
    """A legal hold. `in_force`: whether it stops erasures now."""

    id: UUID
    subject_kind: SubjectKind
    subject_id: UUID
    state: HoldState
    in_force: bool
    reason: str
    asked_by: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class HoldChange:
    """What became of a hold. It has no reason and no names, because answers are kept for repeated requests."""

    id: UUID
    state: HoldState
    in_force: bool


class AskForHold(Command[HoldChange]):
    """Ask for a hold on a user, a team or an address. `by`: the name of the person who asks."""

    subject_kind: SubjectKind
    subject_id: UUID
    reason: str
    by: str


class ConfirmHold(Command[HoldChange]):
    """Confirm a hold, or its end, as another person than the one who asked."""

    id: UUID
    by: str


class DeclineHold(Command[HoldChange]):
    """Decline a hold that was asked for, or its end."""

    id: UUID
    by: str


class AskForLifting(Command[HoldChange]):
    """Ask for the end of a hold."""

    id: UUID
    by: str


def hold_view(hold: LegalHold, record: ErasureRecord) -> HoldView:
    """Return a hold as operators see it."""
    return HoldView(
        hold.id,
        hold.subject_kind,
        hold.subject_id,
        hold.state,
        hold.id in record.holds,
        hold.reason,
        hold.asked_by,
        hold.asked_at,
    )


@handles
async def ask_for_hold(cmd: AskForHold, store: Store, new_id: NewId, clock: Clock) -> HoldChange:
    kind, subject_id = cmd.subject_kind, cmd.subject_id
    hold = LegalHold.ask(kind, subject_id, id=new_id(), reason=cmd.reason, by=cmd.by, now=clock())
    record = await _record_of(hold, store, clock)
    record.note_request(hold.id, now=clock())
    store.save(hold, record)
    return _change(hold, record)


@handles
async def confirm_hold(cmd: ConfirmHold, store: Store, clock: Clock) -> HoldChange:
    hold = await store.get(LegalHold, cmd.id)
    hold.confirm(by=cmd.by, now=clock())
    record = await _record_of(hold, store, clock)
    change = record.place if hold.state == "placed" else record.lift
    change(hold.id, now=clock())
    store.save(hold, record)
    return _change(hold, record)


@handles
async def decline_hold(cmd: DeclineHold, store: Store, clock: Clock) -> HoldChange:
    hold = await store.get(LegalHold, cmd.id)
    hold.decline(by=cmd.by, now=clock())
    store.save(hold)
    return _change(hold, await _record_of(hold, store, clock))


@handles
async def ask_for_lifting(cmd: AskForLifting, store: Store, clock: Clock) -> HoldChange:
    hold = await store.get(LegalHold, cmd.id)
    hold.ask_for_lifting(by=cmd.by, now=clock())
    store.save(hold)
    return _change(hold, await _record_of(hold, store, clock))


def _change(hold: LegalHold, record: ErasureRecord) -> HoldChange:
    return HoldChange(hold.id, hold.state, hold.id in record.holds)


async def _record_of(hold: LegalHold, store: Store, clock: Clock) -> ErasureRecord:
    """Return the record of what is to be held. It is opened by the first hold that is asked for."""
    record = await store.basis(ErasureRecord, ErasureRecord.id_of(hold.subject_id))
    return record or ErasureRecord.open(hold.subject_kind, hold.subject_id, now=clock())
