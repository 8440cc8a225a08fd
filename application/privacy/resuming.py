"""Job: what a legal hold has stopped goes on when it is lifted.

A deletion or a dissolution that is due is carried out at once, not by the next run of its schedule. What a held user
has asked language models for ends, too, where its document was erased meanwhile. While another hold is in force,
nothing is done: its own end is an event as well.
"""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.jobs import Job, performs, report_unread
from application.mail_jobs import UNTIL_DEADLINE
from application.ports import Clock, EventStore, Holdings, SendAsSystem, Store
from application.privacy.completion import complete_unless_held
from application.privacy.erasing import Erasure, ErasureStep
from application.privacy.erasure import CarryOutDissolution, EraseDeletedUser
from domain.privacy.erasure_record import ErasureRecord, SubjectKind


class EraseKeptGenerations(Command[ErasureStep]):
    """Erase what a user has asked for, for documents that have been erased: a hold on the user has kept it."""

    id: UUID


WAITING: Mapping[SubjectKind, tuple[Callable[..., Command[ErasureStep]], ...]] = {
    "user": (EraseDeletedUser, EraseKeptGenerations),
    "team": (CarryOutDissolution,),
    "address": (),
}
"""What may have waited, by what was held: commands with its id. They do nothing where nothing is due."""


class ResumeErasure(Job, frozen=True, kw_only=True):
    """Carry out what a hold has stopped. `record_id`, `version`: the event that the hold was lifted."""

    kind: ClassVar[str] = "resume_erasure"
    queue: ClassVar[str] = "accounts"
    retries = UNTIL_DEADLINE
    run_timeout: ClassVar[timedelta] = timedelta(minutes=10)

    record_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """The event. A second erasure finds nothing to change."""
        return f"{self.record_id.hex}.{self.version}"


@handles
async def erase_kept_generations(
    cmd: EraseKeptGenerations, store: Store, holdings: Holdings, clock: Clock
) -> ErasureStep:
    erasure = Erasure(store, holdings, clock())
    await erasure.require_not_held(cmd.id)
    await erasure.erase_kept_generations_of(cmd.id)
    return erasure.stage()


@performs
async def resume_erasure(job: ResumeErasure, events: EventStore, send: SendAsSystem) -> None:
    record = await events.load(ErasureRecord, job.record_id)
    if record is None or record.held:
        return
    unread: set[UUID] = set()
    for number, command in enumerate(WAITING[record.subject_kind]):
        key = f"resume:{job.effect_key}:{number}"
        unread.update(await complete_unless_held(command(id=record.subject_id), key, send))
    report_unread(unread)
