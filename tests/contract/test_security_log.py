"""Every adapter of the security log keeps the port's promise: the stand-in of unit tests, and the one in PostgreSQL."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from application.ports import Client, EntryFilter, LoggedEntry, SecurityEntry, SecurityLog
from domain.identity.user import User
from infra.bootstrap.write_side import utc_now
from infra.security_log.postgres_security_log import PostgresSecurityLog
from tests.support.memory_security_log import MemorySecurityLog
from tests.support.servers import Database
from tests.support.stores import CALL, open_store

CLIENT = Client("192.0.2.7", "Firefox")
ALL = EntryFilter(100)


@dataclass
class Subject:
    """A log, two users, and the time that it shows. `settle` waits until what was noted can be read."""

    log: SecurityLog
    now: datetime
    settle: Callable[[], Awaitable[None]]
    ada: UUID
    bob: UUID

    async def read(self, user_id: UUID, wanted: EntryFilter = ALL) -> list[LoggedEntry]:
        """Return what a user's log shows."""
        await self.settle()
        return await self.log.entries(user_id, wanted)


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    ada, bob = (
        User.register(id=uuid7(), email=f"{n}@example.org", name="A", password_hash="", now=utc_now()) for n in "ab"
    )
    made: Subject

    async def at_once() -> None:
        """Nothing waits in memory."""

    if request.param == "memory":
        made = Subject(MemorySecurityLog(lambda: made.now), utc_now(), at_once, ada.id, bob.id)
        yield made
        return
    database: Database = request.getfixturevalue("database")
    async with open_store(database.part_url("api")) as opened:
        await opened.store.append([ada], CALL, None)
        await opened.store.append([bob], CALL, None)
        log = PostgresSecurityLog(opened.database, opened.keyring, opened.blind, lambda: made.now, uuid7)
        made = Subject(log, utc_now(), log.settle, ada.id, bob.id)
        yield made
        await log.stop()


def login(user_id: UUID | None, **more: object) -> SecurityEntry:
    return SecurityEntry("log_in", "done", uuid7(), CLIENT, user_id, **more)  # type: ignore[arg-type]


def ids(found: list[LoggedEntry]) -> list[UUID]:
    return [logged.entry.request_id for logged in found]


async def test_an_entry_is_read_as_it_was_recorded(subject: Subject) -> None:
    entry = SecurityEntry("log_in", "done", uuid7(), CLIENT, subject.ada, session_id=uuid7())
    await subject.log.record(entry)
    [found] = await subject.log.entries(subject.ada, ALL)
    assert (found.entry, found.at) == (entry, subject.now)


async def test_what_is_noted_is_read_soon(subject: Subject) -> None:
    entry = SecurityEntry("access", "refused", uuid7(), CLIENT, subject.ada, reason="role_too_low")
    subject.log.note(entry)
    assert [found.entry for found in await subject.read(subject.ada)] == [entry]


async def test_an_entry_needs_no_client(subject: Subject) -> None:
    entry = SecurityEntry("end_session", "done", uuid7(), None, subject.ada)
    await subject.log.record(entry)
    assert [found.entry for found in await subject.read(subject.ada)] == [entry]


async def test_users_see_their_own_entries_the_latest_first(subject: Subject) -> None:
    first, of_bob, of_no_account, last = login(subject.ada), login(subject.bob), login(None), login(subject.ada)
    for entry in (first, of_bob, of_no_account, last):
        await subject.log.record(entry)
        subject.now += timedelta(milliseconds=1)
    assert ids(await subject.read(subject.ada)) == [last.request_id, first.request_id]
    assert ids(await subject.read(subject.bob)) == [of_bob.request_id]


async def test_entries_of_the_same_time_are_listed_once_each_by_pages(subject: Subject) -> None:
    entries = [login(subject.ada) for _ in range(5)]
    for entry in entries:
        await subject.log.record(entry)
    whole = await subject.read(subject.ada)
    assert {*ids(whole)} == {entry.request_id for entry in entries}
    pages, before = list[LoggedEntry](), None
    while page := await subject.read(subject.ada, EntryFilter(2, before=before)):
        pages += page
        before = (page[-1].at, page[-1].id)
    assert pages == whole


async def test_entries_are_filtered_by_action_and_time(subject: Subject) -> None:
    start = subject.now
    for action in ("log_in", "access", "log_out"):
        await subject.log.record(SecurityEntry(action, "done", uuid7(), CLIENT, subject.ada))
        subject.now += timedelta(minutes=1)

    async def actions(**wanted: object) -> list[str]:
        found = await subject.read(subject.ada, EntryFilter(100, **wanted))  # type: ignore[arg-type]
        return [logged.entry.action for logged in found]

    assert await actions(actions=frozenset({"access", "log_out"})) == ["log_out", "access"]
    assert await actions(actions=frozenset()) == []
    assert await actions(since=start + timedelta(minutes=1)) == ["log_out", "access"]
    assert await actions(until=start + timedelta(minutes=1)) == ["log_in"]
