"""Use cases of users: open and change an account, log in."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, EmailIndex, NewId, NotAuthenticated, Passwords, Store
from application.views import view_maker
from domain.access import ACCOUNT
from domain.billing.subscription import Subscription
from domain.identity.user import User, email_claim
from domain.kernel import Forbidden, Invalid, NotFound, Party
from domain.text import UnusableEmail, email_address

NO_USER = UUID(int=0)


class WeakPassword(Invalid):
    """The password is too easy to guess."""


class WrongCredentials(NotAuthenticated):
    """Email address and password do not match, or the account is closed. The refusal does not say which."""


class WrongPassword(Forbidden):
    """The current password was wrong."""


@dataclass(frozen=True, slots=True)
class UserView:
    """A user's own account."""

    id: UUID
    email: str
    name: str
    avatar_url: str | None
    email_verified: bool
    version: int
    created_at: datetime
    updated_at: datetime


def _require_reader(user: User, actor: Actor | None, now: datetime) -> None:
    """Refuse others than the user. An anonymous request is a repeated registration, password included."""
    is_own = user.active and (actor is None or actor.user_id == user.id)
    ACCOUNT.require("read", "oneself" if is_own else None)


user_view = view_maker(UserView, User, require_reader=_require_reader)


@dataclass(frozen=True, slots=True)
class LoginResult:
    """The authenticated user; `address_id` is None until the email address is verified."""

    user_id: UUID
    address_id: UUID | None


class Register(Command[UserView]):
    """Open an account, with the free plan."""

    email: str
    name: str
    password: str


class VerifyEmail(Command[UserView]):
    """Record that a user receives mail at their address. The sender of this command has checked it."""

    user_id: UUID


class ChangeProfile(Command[UserView]):
    """Change the actor's name and picture."""

    name: str
    avatar_url: str | None = None


class ChangePassword(Command[None]):
    """Change the actor's password. `old` is the current one."""

    old: str
    new: str


class Deactivate(Command[None]):
    """Close the actor's account."""


class LogIn(Command[LoginResult]):
    """Authenticate with email address and password."""

    answers_secret: ClassVar[bool] = True

    email: str
    password: str


@handles
async def register(cmd: Register, store: Store, passwords: Passwords, clock: Clock, new_id: NewId) -> UserView:
    await _require_strong(passwords, cmd.password, cmd.email, cmd.name)
    now = clock()
    hashed = await passwords.hash(cmd.password)
    user = User.register(id=new_id(), email=cmd.email, name=cmd.name, password_hash=hashed, now=now)
    store.save(user, Subscription.start(payer=Party("user", user.id), now=now))
    return user_view(user)


@handles
async def verify_email(cmd: VerifyEmail, store: Store, clock: Clock) -> UserView:
    user = await store.get(User, cmd.user_id)
    user.verify_email(now=clock())
    store.save(user)
    return user_view(user)


@handles
async def change_profile(cmd: ChangeProfile, store: Store, actor: Actor, clock: Clock) -> UserView:
    user = await store.get(User, actor.user_id)
    user.change_profile(name=cmd.name, avatar_url=cmd.avatar_url, now=clock())
    store.save(user)
    return user_view(user)


@handles
async def change_password(cmd: ChangePassword, store: Store, actor: Actor, passwords: Passwords, clock: Clock) -> None:
    user = await store.get(User, actor.user_id)
    if not await passwords.verify(cmd.old, user.password_hash):
        raise WrongPassword("The current password is wrong; log in again if you forgot it.")
    await _require_strong(passwords, cmd.new, user.email, user.name)
    user.change_password(password_hash=await passwords.hash(cmd.new), now=clock())
    store.save(user)


@handles
async def deactivate(cmd: Deactivate, store: Store, actor: Actor, clock: Clock) -> None:
    user = await store.get(User, actor.user_id)
    user.deactivate(now=clock())
    store.save(user)


@handles
async def log_in(cmd: LogIn, store: Store, passwords: Passwords, addresses: EmailIndex) -> LoginResult:
    user = await _find(store, cmd.email)
    right = await passwords.verify(cmd.password, user.password_hash if user else None)
    if user is None or not right or not user.active:
        raise WrongCredentials("Email address and password do not match; check both.")
    return LoginResult(user.id, addresses.address_id(user.email) if user.email_verified else None)


async def _find(store: Store, email: str) -> User | None:
    """Return the user with the address. Loads a user even if there is none: the time must not reveal accounts."""
    try:
        user_id = await store.claimed_by(email_claim(email_address(email)))
        return await store.get(User, user_id or NO_USER)
    except (UnusableEmail, NotFound):
        return None


async def _require_strong(passwords: Passwords, password: str, *known: str) -> None:
    weakness = await passwords.weakness(password, *known)
    if weakness is not None:
        raise WeakPassword(weakness)
