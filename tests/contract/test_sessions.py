"""The contract of sessions: the fake of unit tests and the real ones."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from adapters.devices import device_name
from adapters.refresh_tokens import DerivedRefreshTokens
from application.identity.session_jobs import NewDeviceMail
from application.ports import (
    IDLE_LIFETIME,
    MAX_SESSIONS,
    SESSION_LIFETIME,
    Actor,
    Beginning,
    Client,
    LiveSessions,
    NewSession,
    SessionEnding,
    Sessions,
    Unavailable,
)
from domain.identity.user import User
from infra.jobs.encoding import JobCodec
from infra.jobs.queue import PostgresJobQueue
from infra.sealing.job_seals import JobSeals
from infra.sealing.process_keys import wrapping_of
from infra.sessions.live_sessions import CachedLiveSessions
from infra.sessions.store import PostgresSessions
from tests.support.http import Time
from tests.support.jobs import keys_fit
from tests.support.memory_jobs import MemoryJobs
from tests.support.memory_sessions import MemorySessions
from tests.support.stores import CALL, KEK_ID, KEY_RING, Opened, open_store, rows

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"
CLIENT = Client("192.0.2.7", FIREFOX)
JOBS = "SELECT args FROM jobs.procrastinate_jobs ORDER BY id"
CLOSE_KEY = "INSERT INTO keys (kind, id, check_value, state) VALUES ('key-encryption', %s, '', 'closed')"
TOKENS = DerivedRefreshTokens([bytes(32)])


@dataclass
class House:
    """Sessions, where live ones are looked up, and users of them."""

    sessions: Sessions
    live: LiveSessions
    jobs: MemoryJobs | JobCodec
    time: Time
    opened: Opened | None = None
    admin_url: str = ""

    def forget(self, user_id: UUID) -> None:
        """Remove all sessions of a user, as the end of the retention does."""
        if isinstance(self.sessions, MemorySessions):
            self.sessions.forget(user_id)
        else:
            rows(self.admin_url, "DELETE FROM sessions WHERE user_id = %s", user_id)

    async def user(self) -> UUID:
        """Store a new user; return their id."""
        id = uuid7()
        if self.opened is not None:
            user = User.register(id=id, email=f"{id}@example.org", name="A", password_hash="x", now=self.time())
            await self.opened.store.append([user], CALL, None)
        return id

    def new(self, user_id: UUID, version: int = 1) -> NewSession:
        """Return a session that has not begun."""
        id = uuid7()
        return NewSession(
            id, user_id, version, UUID(int=9), "bearer", self.time(), token=TOKENS.first(id), client=CLIENT
        )

    async def begin(self, session: NewSession) -> Beginning:
        """Begin a session; a mail is sent if its device is new."""
        mail = NewDeviceMail(user_id=session.user_id, session_id=session.id, device="Firefox", at=session.created_at)
        return await self.sessions.begin(session, mail)

    def mailed(self) -> list[UUID]:
        """Return the sessions of which a mail was enqueued, in order."""
        if isinstance(self.jobs, MemoryJobs):
            jobs = [job for job, _ in self.jobs.waiting]
        else:
            jobs = [self.jobs.decode(args) for (args,) in rows(self.admin_url, JOBS)]
        return [job.session_id for job in jobs if isinstance(job, NewDeviceMail)]

    async def begun(self, user_id: UUID, version: int = 1) -> NewSession:
        """Begin a session."""
        session = self.new(user_id, version)
        assert await self.begin(session) != "refused"
        return session

    async def is_live(self, session: NewSession) -> bool:
        """Return whether requests of the session succeed."""
        return await self.live.find(session.id) is not None


@pytest.fixture(params=["memory", "postgres"])
async def house(request: pytest.FixtureRequest) -> AsyncIterator[House]:
    time = Time()
    if request.param == "memory":
        jobs = MemoryJobs()
        sessions = MemorySessions(time, jobs)
        yield House(sessions, sessions, jobs, time)
        return
    database = request.getfixturevalue("database")
    async with open_store(database.app_url) as opened:
        codec = JobCodec(JobSeals(*wrapping_of(KEY_RING)))
        queue = PostgresJobQueue(opened.database, codec, keys_fit)
        stored = PostgresSessions(opened.database, queue, opened.keyring, opened.blind, device_name, time)
        live = CachedLiveSessions(opened.database, lambda: False, time)
        yield House(stored, live, codec, time, opened, database.admin_url)


async def test_a_session_is_found_as_it_was_begun(house: House) -> None:
    user_id = await house.user()
    begun = await house.begun(user_id)
    found = await house.sessions.get(begun.id)
    assert found is not None
    now = house.time()
    assert (found.user_id, found.user_version, found.mode, found.created_at) == (user_id, 1, "bearer", now)
    assert (found.idle_ends_at, found.ends_at) == (now + IDLE_LIFETIME, now + SESSION_LIFETIME)
    assert (found.use_of(begun.token), found.ended_at) == ("current", None)
    live = await house.live.find(begun.id)
    assert live is not None
    assert (live.actor, live.user_id, live.mode) == (Actor(user_id, UUID(int=9)), str(user_id), "bearer")


async def test_an_unknown_session_is_nothing(house: House) -> None:
    assert await house.sessions.get(uuid7()) is None
    assert await house.live.find(uuid7()) is None


async def test_to_begin_a_session_again_changes_nothing(house: House) -> None:
    begun = await house.begun(await house.user())
    assert await house.begin(begun) == "begun"
    assert len(await house.sessions.of(begun.user_id, house.time())) == 1


async def test_a_user_sees_their_own_sessions_the_newest_first(house: House) -> None:
    user_id = await house.user()
    first, second = await house.begun(user_id), await house.begun(user_id)
    await house.begun(await house.user())
    found = await house.sessions.of(user_id, house.time())
    assert [each.id for each in found] == [second.id, first.id]
    assert (found[0].device, found[0].address) == ("Firefox on Linux", "192.0.2.7")


async def test_a_refresh_replaces_the_token_once(house: House) -> None:
    begun = await house.begun(await house.user())
    session = await house.sessions.get(begun.id)
    assert session is not None
    house.time.pass_by(days=1)
    following, other = TOKENS.after(begun.token), Client("2001:db8::1", "curl/8.1")
    assert await house.sessions.rotate(session, following, other, house.time())
    assert not await house.sessions.rotate(session, following, other, house.time())
    rotated = await house.sessions.get(begun.id)
    assert rotated is not None
    assert rotated.use_of(following) == "current"
    assert rotated.use_of(begun.token) == "repeated"
    assert rotated.idle_ends_at == house.time() + IDLE_LIFETIME
    assert rotated.ends_at == session.ends_at
    [details] = await house.sessions.of(begun.user_id, house.time())
    assert (details.address, details.last_used_at) == ("2001:db8::1", house.time())


async def test_of_two_refreshes_at_once_one_succeeds(house: House) -> None:
    begun = await house.begun(await house.user())
    session = await house.sessions.get(begun.id)
    assert session is not None
    following = TOKENS.after(begun.token)
    done = await asyncio.gather(*[house.sessions.rotate(session, following, CLIENT, house.time()) for _ in range(8)])
    assert sorted(done) == [*[False] * 7, True]


async def test_a_session_ends_by_its_user_only_and_stays_ended(house: House) -> None:
    begun, stranger = await house.begun(await house.user()), await house.user()
    assert await house.sessions.end(stranger, [begun.id], "revoked") == 0
    assert await house.is_live(begun)
    for _ in range(2):
        assert await house.sessions.end(begun.user_id, [begun.id], "logout") == 1
        assert not await house.is_live(begun)
    session = await house.sessions.get(begun.id)
    assert session is not None
    assert session.is_over(house.time())
    assert not await house.sessions.rotate(session, TOKENS.after(begun.token), CLIENT, house.time())
    assert await house.sessions.of(begun.user_id, house.time()) == []


async def test_asvs_7_3_1_a_session_ends_when_it_is_not_used(house: House) -> None:
    begun = await house.begun(await house.user())
    house.time.now += IDLE_LIFETIME - timedelta(seconds=1)
    assert await house.is_live(begun)
    house.time.pass_by(seconds=1)
    assert not await house.is_live(begun)
    assert await house.sessions.of(begun.user_id, house.time()) == []


async def test_asvs_7_3_2_a_session_ends_30_days_after_the_login_however_it_is_used(house: House) -> None:
    begun = await house.begun(await house.user())
    token = begun.token
    for _ in range(29):
        house.time.pass_by(days=1)
        session = await house.sessions.get(begun.id)
        assert session is not None
        assert not session.is_over(house.time())
        token = TOKENS.after(token)
        assert await house.sessions.rotate(session, token, CLIENT, house.time())
    assert await house.is_live(begun)
    house.time.pass_by(days=1)
    assert not await house.is_live(begun)
    session = await house.sessions.get(begun.id)
    assert session is not None
    assert session.is_over(house.time())


async def test_an_event_ends_the_sessions_that_began_before_it_but_the_one_that_it_keeps(house: House) -> None:
    ada, bob = await house.user(), await house.user()
    before, kept, after, other = [
        await house.begun(user_id, version) for user_id, version in ((ada, 3), (ada, 3), (ada, 4), (bob, 1))
    ]
    for _ in range(2):
        assert await house.sessions.end_all([SessionEnding(ada, 4, kept.id)])
        assert [await house.is_live(each) for each in (before, kept, after, other)] == [False, True, True, True]
    assert await house.sessions.end_all([SessionEnding(ada, 4)])
    assert await house.is_live(kept), "it counts as begun at the version that kept it"
    assert await house.sessions.end_all([SessionEnding(ada, 5), SessionEnding(bob, 5)])
    assert not any([await house.is_live(each) for each in (kept, after, other)])


async def test_no_session_begins_with_what_was_known_before_the_event(house: House) -> None:
    user_id = await house.user()
    await house.sessions.end_all([SessionEnding(user_id, 4)])
    assert await house.begin(house.new(user_id, 3)) == "refused"
    assert await house.begin(house.new(user_id, 4)) == "begun"
    await house.sessions.end_all([SessionEnding(user_id, 2)])
    assert await house.begin(house.new(user_id, 3)) == "refused", "an older event does not undo it"


async def test_a_device_is_new_where_others_are_known_and_it_is_not(house: House) -> None:
    ada, bob = await house.user(), await house.user()
    phone = Client("192.0.2.7", "curl/8.1")
    beginnings = [
        await house.begin(replace(house.new(user_id), client=client))
        for user_id, client in ((ada, CLIENT), (ada, CLIENT), (ada, phone), (ada, phone), (bob, phone), (bob, CLIENT))
    ]
    assert beginnings == ["begun", "begun", "new_device", "begun", "begun", "new_device"]


async def test_a_mail_is_enqueued_once_with_the_session_on_a_new_device(house: House) -> None:
    """Also if the answer is lost and the session begun again: the process may die between any two statements."""
    user_id = await house.user()
    known = await house.begun(user_id)
    new = replace(house.new(user_id), client=Client("192.0.2.7", "curl/8.1"))
    for session in (new, new, known):
        await house.begin(session)
    assert house.mailed() == [new.id]


@pytest.mark.parametrize("house", ["postgres"], indirect=True)
async def test_no_session_begins_without_the_mail_about_its_device(house: House) -> None:
    user_id = await house.user()
    await house.begun(user_id)
    rows(house.admin_url, CLOSE_KEY, KEK_ID)
    new = replace(house.new(user_id), client=Client("192.0.2.7", "curl/8.1"))
    with pytest.raises(Unavailable):
        await house.begin(new)
    assert await house.sessions.get(new.id) is None
    rows(house.admin_url, "DELETE FROM keys WHERE id = %s", KEK_ID)
    assert await house.begin(new) == "new_device"
    assert house.mailed() == [new.id]


async def test_a_device_is_new_also_where_no_session_is_known_any_more(house: House) -> None:
    """The thief of an account that was not used for long is announced."""
    user_id = await house.user()
    assert await house.begin(house.new(user_id)) == "begun"
    house.forget(user_id)
    phone = Client("192.0.2.7", "curl/8.1")
    assert await house.begin(replace(house.new(user_id), client=phone)) == "new_device"


async def test_a_login_too_many_ends_the_session_that_was_used_least_recently(house: House) -> None:
    user_id = await house.user()
    first = await house.begun(user_id)
    house.time.pass_by(minutes=1)
    second = await house.begun(user_id)
    house.time.pass_by(minutes=1)
    session = await house.sessions.get(first.id)
    assert session is not None
    await house.sessions.rotate(session, TOKENS.after(first.token), CLIENT, house.time())
    for _ in range(MAX_SESSIONS - 2):
        await house.begun(user_id)
    assert len(await house.sessions.of(user_id, house.time())) == MAX_SESSIONS
    house.time.pass_by(minutes=1)
    await house.begun(user_id)
    assert (await house.is_live(first), await house.is_live(second)) == (True, False)
    assert len(await house.sessions.of(user_id, house.time())) == MAX_SESSIONS


async def test_a_token_of_another_session_is_foreign(house: House) -> None:
    user_id = await house.user()
    one, other = await house.begun(user_id), await house.begun(user_id)
    session = await house.sessions.get(one.id)
    assert session is not None
    assert session.use_of(replace(other.token, session_id=one.id)) == "foreign"
