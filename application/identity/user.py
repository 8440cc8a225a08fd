"""Use cases of users: change and close one's own account. It is opened in `account.py`, logins are in `sessions.py`."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.identity.confirmation import Confirmation
from application.ports import Actor, Clock, Passwords, Sessions, Store
from application.security_actions import SecurityAction
from application.views import view_maker
from domain.access import ACCOUNT
from domain.identity.user import User
from domain.kernel import Invalid


class WeakPassword(Invalid):
    """The password is too easy to guess."""


@dataclass(frozen=True, slots=True)
class UserView:
    """A user's own account. `terms_version`: of the terms that they accepted last."""

    id: UUID
    email: str
    name: str
    avatar_url: str | None
    email_verified: bool
    terms_version: str | None
    version: int
    created_at: datetime
    updated_at: datetime


def _require_reader(user: User, actor: Actor | None, now: datetime) -> None:
    is_own = user.active and user.deletion_due is None and actor is not None and actor.user_id == user.id
    ACCOUNT.require("read", "oneself" if is_own else None)


user_view = view_maker(UserView, User, require_reader=_require_reader)


class ChangeProfile(Command[UserView]):
    """Change the actor's name and picture."""

    name: str
    avatar_url: str | None = None


class ChangePassword(Command[None]):
    """Change the actor's password, and end all other sessions. `old` is the current one."""

    proves: ClassVar[SecurityAction | None] = "confirm_password"

    old: str
    new: str


class AcceptTerms(Command[UserView]):
    """Record that the actor accepts a version of the terms."""

    version: str


class Deactivate(Command[None]):
    """Close the actor's account."""


@handles
async def change_profile(cmd: ChangeProfile, store: Store, actor: Actor, clock: Clock) -> UserView:
    user = await store.get(User, actor.user_id)
    user.change_profile(name=cmd.name, avatar_url=cmd.avatar_url, now=clock())
    store.save(user)
    return user_view(user)


@handles
async def change_password(
    cmd: ChangePassword,
    store: Store,
    actor: Actor,
    passwords: Passwords,
    confirmation: Confirmation,
    sessions: Sessions,
    session_id: UUID | None,
    clock: Clock,
) -> None:
    user = await store.get(User, actor.user_id)
    await confirmation.require(user, cmd.old)
    await require_strong(passwords, cmd.new, user.email, user.name)
    password_hash = await passwords.hash(cmd.new)
    kept = await _session_that_goes_on(user, sessions, session_id)
    user.change_password(password_hash=password_hash, kept_session_id=kept, now=clock())
    store.save(user)


@handles
async def deactivate(cmd: Deactivate, store: Store, actor: Actor, clock: Clock) -> None:
    user = await store.get(User, actor.user_id)
    user.deactivate(now=clock())
    store.save(user)


@handles
async def accept_terms(cmd: AcceptTerms, store: Store, actor: Actor, clock: Clock) -> UserView:
    user = await store.get(User, actor.user_id)
    user.accept_terms(cmd.version, now=clock())
    store.save(user)
    return user_view(user)


async def _session_that_goes_on(user: User, sessions: Sessions, id: UUID | None) -> UUID | None:
    """Return the id, unless an event has ended the session while the request was under way."""
    session = None if id is None else await sessions.get(id)
    return id if session is not None and user.keeps_session(session.id, session.user_version) else None


async def require_strong(passwords: Passwords, password: str, *known: str) -> None:
    """Refuse a password that is too easy to guess. `known`: words that an attacker knows.

    Raises:
        WeakPassword: with the reason.
        Unavailable: too many passwords are being checked.
    """
    weakness = await passwords.weakness(password, *known)
    if weakness is not None:
        raise WeakPassword(weakness)
