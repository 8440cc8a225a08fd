"""Ports to sessions: what a login begins, each request is checked against, and a logout or an event ends.

A session is not an event: each login and refresh would make the user's stream grow for ever. Events that end sessions
are (`Root.Event.ends_sessions`), so the log and the sessions can be compared at any time.
"""

import hmac
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, NewType, Protocol
from uuid import UUID

import msgspec

from application.jobs import Job
from application.ports.client import Client
from application.ports.store import Actor

SessionMode = Literal["bearer", "cookie"]
"""How a client sends its tokens: in headers and bodies, or in cookies."""

IDLE_LIFETIME = timedelta(days=14)
"""How long after its last refresh a session ends."""
SESSION_LIFETIME = timedelta(days=30)
"""How long after its login a session ends."""
REPEAT_SECONDS = 10
"""How long the last refresh token may be used again: for the same answer, if the first one was lost."""
MAX_SESSIONS = 100
"""The most sessions of a user; a login beyond that ends the one that was used least recently."""

Beginning = Literal["refused", "begun", "new_device"]
"""What came of a login. `refused`: sessions of the user were ended after the password was checked. `new_device`: it is
not the user's first session, and none that is still known was on this device.
"""

EndReason = Literal["logout", "revoked", "token_reused", "too_many", "account"]
"""Why a session ended. `revoked`: from another session. `account`: an event of the user ended it."""

TokenUse = Literal["current", "repeated", "reused", "foreign"]
"""What a refresh token is to its session. `repeated`: the last one, used again at once. `reused`: an older one."""


TokenText = NewType("TokenText", str)
"""The text of a token that we make: 86 characters for a session, 64 for a link."""


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token. All tokens of a session have one family. Only digests (SHA-256) are stored."""

    text: TokenText = field(repr=False)
    session_id: UUID
    family: bytes = field(repr=False)
    digest: bytes = field(repr=False)


class RefreshTokens(Protocol):
    """Makes refresh tokens."""

    def first(self, session_id: UUID) -> RefreshToken:
        """Return the first token of a session, drawn at random."""

    def after(self, token: RefreshToken) -> RefreshToken:
        """Return the token that replaces this one."""

    def again(self, token: RefreshToken, digest: bytes) -> RefreshToken | None:
        """Return the token with this digest that replaced this one before; None: the key that made it is gone."""

    def read(self, text: str) -> RefreshToken | None:
        """Return the token; None: the text is none. It may still be wrong."""


@dataclass(frozen=True, slots=True)
class NewSession:
    """A session to begin. `user_version`: that of the user whose password was checked. `token`: the first one."""

    id: UUID
    user_id: UUID
    user_version: int
    address_id: UUID | None
    mode: SessionMode
    created_at: datetime
    token: RefreshToken
    client: Client


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it is stored. It is over once it was ended, or at `idle_ends_at` or `ends_at`."""

    id: UUID
    user_id: UUID
    user_version: int
    mode: SessionMode
    created_at: datetime
    idle_ends_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    family: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    previous_digest: bytes | None = field(repr=False)
    since_rotation: timedelta | None

    def is_over(self, now: datetime) -> bool:
        """Return whether the session has ended."""
        return self.ended_at is not None or now >= min(self.idle_ends_at, self.ends_at)

    def use_of(self, token: RefreshToken) -> TokenUse:
        """Return what a token is to this session."""
        if not hmac.compare_digest(token.family, self.family):
            return "foreign"
        if hmac.compare_digest(token.digest, self.digest):
            return "current"
        if self.previous_digest is None or self.since_rotation is None:
            return "reused"
        is_last = hmac.compare_digest(token.digest, self.previous_digest)
        return "repeated" if is_last and self.since_rotation <= timedelta(seconds=REPEAT_SECONDS) else "reused"


@dataclass(frozen=True, slots=True)
class SessionDetails:
    """A session as its user sees it. `address`: the client's at its last refresh; None: it is not known."""

    id: UUID
    mode: SessionMode
    created_at: datetime
    last_used_at: datetime
    ends_at: datetime
    device: str
    address: str | None


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The end of a user's sessions that began before the user's `version`: all, or all but the one that is kept."""

    user_id: UUID
    version: int
    kept_session_id: UUID | None = None


class Sessions(Protocol):
    """Stores sessions. Each method may be repeated: none does more the second time.

    Raises:
        Unavailable: the database does not answer.
    """

    async def begin(self, session: NewSession, job: Job) -> Beginning:
        """Begin a session, unless sessions of its user were ended after its `user_version`.

        `job`: enqueued together with the session, both or none, if the device is new.

        Raises:
            NotFound: the user has been erased.
        """

    async def get(self, session_id: UUID) -> Session | None:
        """Return a session, also one that is over; None: there is none, or it ended long ago."""

    async def rotate(self, session: Session, token: RefreshToken, client: Client, now: datetime) -> bool:
        """Make this token the session's current one. False: the session has another one by now, or is over."""

    async def of(self, user_id: UUID, now: datetime) -> list[SessionDetails]:
        """Return the sessions of a user that are not over, the newest first."""

    async def end(self, user_id: UUID, session_ids: Sequence[UUID], why: EndReason) -> int:
        """End these sessions as far as they are the user's; return how many are theirs, also those that are over.

        Raises:
            NotSettled: a process may still take a token of them.
        """

    async def end_all(self, endings: Sequence[SessionEnding]) -> bool:
        """End sessions of many users. Returns whether no process takes a token of them any more."""


class LiveSession(msgspec.Struct, frozen=True):
    """A session that is not over, as requests need it. `user_id`: as text; `ends`: seconds since 1970."""

    id: UUID
    actor: Actor
    user_id: str
    mode: SessionMode
    ends: float


class LiveSessions(Protocol):
    """Says of each request whether its session is over: from memory, if this process may rely on it."""

    def known(self, session_id: UUID) -> LiveSession | None:
        """Return the session, if it is in memory and known to be live at this moment."""

    async def find(self, session_id: UUID) -> LiveSession | None:
        """Return the session, looked up if need be; None: there is none, or it is over.

        Raises:
            Unavailable: the database does not answer.
        """

    def watched(self, session_id: UUID) -> "AbstractContextManager[SessionWatch]":
        """Watch a session meanwhile."""


class SessionWatch(Protocol):
    """The watch over one session, for what outlasts a request."""

    async def dropped(self) -> None:
        """Return once the session may have ended since the watch began."""
