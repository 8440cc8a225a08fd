"""Sessions without a database. A contract suite in `tests/contract` runs on these and on the real ones."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from adapters.devices import device_name
from adapters.refresh_tokens import DerivedRefreshTokens
from application.jobs import Job
from application.ports import (
    IDLE_LIFETIME,
    MAX_SESSIONS,
    SESSION_LIFETIME,
    Actor,
    Beginning,
    Client,
    Clock,
    EndReason,
    JobQueue,
    LiveSession,
    NewId,
    NewSession,
    RefreshToken,
    Session,
    SessionDetails,
    SessionEnding,
)


@dataclass(frozen=True)
class _Row:
    """A stored session."""

    session: Session
    address_id: UUID | None
    client: Client
    last_used_at: datetime
    rotated_at: datetime | None = None
    why: EndReason | None = None


class MemorySessions:
    """Implements `application.ports.Sessions` and `LiveSessions` in dicts."""

    def __init__(self, clock: Clock, queue: JobQueue) -> None:
        self._clock = clock
        self._queue = queue
        self._rows: dict[UUID, _Row] = {}
        self._cuts: dict[UUID, int] = {}
        self._users: set[UUID] = set()
        """The users with sessions, now or earlier."""
        self._changed = asyncio.Event()
        self.settles = True
        """Whether all processes follow in time."""

    def log_in(self, user_id: UUID, new_id: NewId, address_id: UUID | None = None) -> UUID:
        """Begin a session without a password; return its id."""
        id, now = new_id(), self._clock()
        token = DerivedRefreshTokens([bytes(32)]).first(id)
        version = self._cuts.get(user_id, 0)
        self._add(NewSession(id, user_id, version, address_id, "bearer", now, token=token, client=Client("", "")))
        return id

    def forget(self, user_id: UUID) -> None:
        """Remove all sessions of a user, as the end of the retention does."""
        self._rows = {id: row for id, row in self._rows.items() if row.session.user_id != user_id}

    def why(self, session_id: UUID) -> EndReason | None:
        """Return why a session was ended."""
        return self._rows[session_id].why

    async def begin(self, session: NewSession, job: Job) -> Beginning:
        if self._cuts.get(session.user_id, 0) > session.user_version:
            return "refused"
        devices = {
            device_name(row.client.user_agent) for row in self._rows.values() if row.session.user_id == session.user_id
        }
        is_first = session.user_id not in self._users
        self._users.add(session.user_id)
        self._add(session)
        live = [each for each in self._live(session.user_id, session.created_at) if each.session.id != session.id]
        for row in sorted(live, key=lambda row: row.last_used_at)[: max(0, len(live) + 1 - MAX_SESSIONS)]:
            self._end(row, "too_many")
        if is_first or device_name(session.client.user_agent) in devices:
            return "begun"
        await self._queue.enqueue(job)
        return "new_device"

    async def get(self, session_id: UUID) -> Session | None:
        row = self._rows.get(session_id)
        if row is None or row.rotated_at is None:
            return None if row is None else row.session
        return replace(row.session, since_rotation=self._clock() - row.rotated_at)

    async def rotate(self, session: Session, token: RefreshToken, client: Client, now: datetime) -> bool:
        row = self._rows[session.id]
        if row.session.digest != session.digest or row.session.ended_at is not None:
            return False
        rotated = replace(
            row.session,
            digest=token.digest,
            previous_digest=session.digest,
            idle_ends_at=now + IDLE_LIFETIME,
        )
        self._rows[session.id] = replace(
            row, session=rotated, client=client, last_used_at=now, rotated_at=self._clock()
        )
        return True

    async def of(self, user_id: UUID, now: datetime) -> list[SessionDetails]:
        return [
            SessionDetails(
                row.session.id,
                row.session.mode,
                row.session.created_at,
                row.last_used_at,
                min(row.session.idle_ends_at, row.session.ends_at),
                device_name(row.client.user_agent),
                row.client.address,
            )
            for row in sorted(self._live(user_id, now), key=lambda row: row.session.id, reverse=True)
        ]

    async def end(self, user_id: UUID, session_ids: Sequence[UUID], why: EndReason) -> int:
        owned = [row for row in self._rows.values() if row.session.user_id == user_id and row.session.id in session_ids]
        for row in owned:
            self._end(row, why)
        return len(owned)

    async def end_all(self, endings: Sequence[SessionEnding]) -> bool:
        for ending in endings:
            self._cuts[ending.user_id] = max(self._cuts.get(ending.user_id, 0), ending.version)
            for row in [*self._rows.values()]:
                if row.session.user_id != ending.user_id or row.session.user_version >= ending.version:
                    continue
                if row.session.id == ending.kept_session_id:
                    moved = replace(row.session, user_version=ending.version)
                    self._rows[row.session.id] = replace(row, session=moved)
                else:
                    self._end(row, "account")
        return self.settles

    def known(self, session_id: UUID) -> LiveSession | None:
        row = self._rows.get(session_id)
        if row is None or row.session.is_over(self._clock()):
            return None
        session = row.session
        ends = min(session.idle_ends_at, session.ends_at).timestamp()
        return LiveSession(session.id, Actor(session.user_id, row.address_id), str(session.user_id), session.mode, ends)

    async def find(self, session_id: UUID) -> LiveSession | None:
        return self.known(session_id)

    @contextmanager
    def watched(self, session_id: UUID) -> Iterator["_Watch"]:
        yield _Watch(self, session_id)

    def _add(self, session: NewSession) -> None:
        now, token = session.created_at, session.token
        idle, ends, mode = now + IDLE_LIFETIME, now + SESSION_LIFETIME, session.mode
        stored = Session(
            session.id,
            session.user_id,
            session.user_version,
            mode,
            now,
            idle,
            ends,
            ended_at=None,
            family=token.family,
            digest=token.digest,
            previous_digest=None,
            since_rotation=None,
        )
        self._rows[session.id] = _Row(stored, session.address_id, session.client, now)

    def _live(self, user_id: UUID, now: datetime) -> list[_Row]:
        return [row for row in self._rows.values() if row.session.user_id == user_id and not row.session.is_over(now)]

    def _end(self, row: _Row, why: EndReason) -> None:
        if row.session.ended_at is None:
            ended = replace(row.session, ended_at=self._clock())
            self._rows[row.session.id] = replace(row, session=ended, why=why)
            self._changed.set()
            self._changed = asyncio.Event()

    async def until_over(self, session_id: UUID) -> None:
        """Wait until a session is over."""
        while self.known(session_id) is not None:
            await self._changed.wait()


class MemorySettlement:
    """Implements `application.revocation.Settlement` where nothing is ever behind: it only ends sessions."""

    def __init__(self, sessions: MemorySessions) -> None:
        self._sessions = sessions

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        return True

    async def forgotten(self, timeout: float) -> bool:
        return True

    async def end_sessions(self, endings: Sequence[SessionEnding]) -> bool:
        return await self._sessions.end_all(endings)


class _Watch:
    """Implements `application.ports.SessionWatch`."""

    def __init__(self, sessions: MemorySessions, session_id: UUID) -> None:
        self._sessions = sessions
        self._session_id = session_id

    async def dropped(self) -> None:
        await self._sessions.until_over(self._session_id)
