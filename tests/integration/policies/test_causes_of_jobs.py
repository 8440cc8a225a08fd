"""What a job writes belongs to the request that caused the job, below the event that did, over policies and jobs."""

from collections.abc import AsyncIterator
from typing import ClassVar
from uuid import UUID

import pytest

from application.jobs import Job
from application.ports import Actor, CommandContext, JobQueue, SendAsSystem, SendAsUser
from application.travel.causes import caused_by
from infra.bootstrap.audit import open_audit_trail
from infra.bootstrap.worker import SystemSender, UserSender
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.policies.consumer import PolicyParts
from infra.settings.model import Settings
from tests.support.feeding import FromStore
from tests.support.jobs import OpenedJobs, open_jobs, register
from tests.support.mirror import ANNOUNCE, Announce, Reflect
from tests.support.note import Note
from tests.support.reacting import bus_on, reacting
from tests.support.servers import Database
from tests.support.stores import KEYS, STAMPS, open_store, rows
from tests.support.waiting import until

ADA = Actor(UUID(int=0xADA))
REQUEST = UUID(int=0xF1)
WRITTEN_BY = CommandContext(ADA, REQUEST)
SYSTEM, USER = UUID(int=1), UUID(int=2)
"""Notes whose lines are reflected by the system, and for a user by a further job."""


class ReflectForUser(Job, frozen=True, kw_only=True):
    """Reflects a note as its user."""

    kind: ClassVar[str] = "reflect_for_user"
    note_id: UUID

    @property
    def effect_key(self) -> str:
        return f"reflect:{self.note_id}"


async def announce(job: Announce, send: SendAsSystem, queue: JobQueue) -> None:
    if job.note_id == USER:
        await queue.enqueue(ReflectForUser(note_id=job.note_id))
    else:
        await send(Reflect(note_id=job.note_id), job.effect_key)


async def reflect_for_user(job: ReflectForUser, send_as_user: SendAsUser) -> None:
    await send_as_user(Reflect(note_id=job.note_id), job.effect_key, ADA.user_id)


@pytest.fixture
async def jobs(database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpenedJobs]:
    register(monkeypatch, announce)
    register(monkeypatch, reflect_for_user)
    async with open_jobs(database) as opened:
        yield opened


@pytest.fixture
async def core(database: Database) -> AsyncIterator[WriteSide]:
    settings = Settings.from_variables({"DATABASE_URL": database.app_url, **KEYS})
    async with open_write_side(settings, "api") as opened:
        yield opened


async def test_events_of_jobs_are_below_the_event_that_caused_them(
    database: Database, jobs: OpenedJobs, core: WriteSide
) -> None:
    def written() -> bool:
        return len(rows(database.admin_url, "SELECT FROM stored_events")) == 4

    async with open_store(database.app_url) as opened:
        bus = bus_on(opened)
        ports = {"send": SystemSender(bus), "send_as_user": UserSender(bus), "queue": jobs.queue}
        parts = PolicyParts(bus.send, jobs.queue.enqueue_on, STAMPS)
        async with reacting(FromStore(opened), ANNOUNCE, parts=parts), jobs.working(ports):
            for note_id in (SYSTEM, USER):
                await opened.store.append([Note.write(note_id, "text")], WRITTEN_BY, None)
            await until(written)
    tree = await caused_by(core.store, open_audit_trail(core), REQUEST)
    assert tree is not None
    shown = [(each.depth, each.event.type, each.event.actor_id) for each in tree.events]
    assert shown == [
        (0, "note.written", ADA.user_id),
        (1, "mirror.opened", None),
        (0, "note.written", ADA.user_id),
        (1, "mirror.opened", ADA.user_id),
    ]
