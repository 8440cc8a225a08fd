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


class AskForHold(Command[HoldView]):
    """Ask for a hold on a user, a team or an address. `by`: the name of the person who asks."""

    subject_kind: SubjectKind
    subject_id: UUID
    reason: str
    by: str


class ConfirmHold(Command[HoldView]):
    """Confirm a hold, or its end, as another person than the one who asked."""

    id: UUID
    by: str


class DeclineHold(Command[HoldView]):
    """Decline a hold that was asked for, or its end."""

    id: UUID
    by: str


class AskForLifting(Command[HoldView]):
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
async def ask_for_hold(cmd: AskForHold, store: Store, new_id: NewId, clock: Clock) -> HoldView:
    kind, subject_id = cmd.subject_kind, cmd.subject_id
    hold = LegalHold.ask(kind, subject_id, id=new_id(), reason=cmd.reason, by=cmd.by, now=clock())
    record = await _record_of(hold, store, clock)
    record.note_request(hold.id, now=clock())
    store.save(hold, record)
    return hold_view(hold, record)


@handles
async def confirm_hold(cmd: ConfirmHold, store: Store, clock: Clock) -> HoldView:
    hold = await store.get(LegalHold, cmd.id)
    hold.confirm(by=cmd.by, now=clock())
    record = await _record_of(hold, store, clock)
    change = record.place if hold.state == "placed" else record.lift
    change(hold.id, now=clock())
    store.save(hold, record)
    return hold_view(hold, record)


@handles
async def decline_hold(cmd: DeclineHold, store: Store, clock: Clock) -> HoldView:
    hold = await store.get(LegalHold, cmd.id)
    hold.decline(by=cmd.by, now=clock())
    store.save(hold)
    return hold_view(hold, await _record_of(hold, store, clock))


@handles
async def ask_for_lifting(cmd: AskForLifting, store: Store, clock: Clock) -> HoldView:
    hold = await store.get(LegalHold, cmd.id)
    hold.ask_for_lifting(by=cmd.by, now=clock())
    store.save(hold)
    return hold_view(hold, await _record_of(hold, store, clock))


async def _record_of(hold: LegalHold, store: Store, clock: Clock) -> ErasureRecord:
    """Return the record of what is to be held. It is opened by the first hold that is asked for."""
    record = await store.basis(ErasureRecord, ErasureRecord.id_of(hold.subject_id))
    return record or ErasureRecord.open(hold.subject_kind, hold.subject_id, now=clock())
