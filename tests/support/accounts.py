"""Accounts for tests: opened and verified by commands, without a worker and without mail."""

from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.passwords import Argon2Passwords
from adapters.refresh_tokens import DerivedRefreshTokens
from application.bus import Bus
from application.commands import Command
from application.identity.account import OpenAccount, VerifyEmail
from application.identity.session_jobs import NewDeviceMail
from application.ports import (
    MAX_SESSIONS,
    SESSION_LIFETIME,
    Client,
    CommandContext,
    EventStore,
    LinkTokens,
    NewSession,
    Sessions,
)
from domain.identity.links import LinkKind
from domain.identity.user import User
from infra.bootstrap.write_side import utc_now
from infra.postgres.database import Database
from infra.sessions.store import BEGIN
from tests.support.links import PlainLinks
from tests.support.stores import Opened

Send = Callable[[Command[Any]], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to open."""

    id: UUID
    email: str
    name: str
    password_hash: str


async def open_account(send: Send, events: EventStore, links: LinkTokens, account: NewAccount) -> None:
    """Open an account and verify its address. `links` are those of the command bus."""
    await send(OpenAccount(**asdict(account)))
    await send(VerifyEmail(token=await token_of(events, links, account.id)))


async def open_account_in(opened: Opened, email: str, name: str, password: str) -> UUID:
    """Open an account in a store, with a password that the service accepts, and verify its address; return its id."""
    links = PlainLinks()
    bus = Bus(opened.store, {"clock": utc_now, "new_id": uuid7, "links": links}, opened.blind)
    context = CommandContext(None, uuid7())
    with closing(Argon2Passwords()) as passwords:
        account = NewAccount(uuid7(), email, name, await passwords.hash(password))
    await open_account(lambda command: bus.send(command, context), opened.store, links, account)
    return account.id


async def begin_session(sessions: Sessions, user: User, address_id: UUID | None = None) -> UUID:
    """Begin a session of a user without a password; return its id."""
    id = uuid7()
    token = DerivedRefreshTokens([bytes(32)]).first(id)
    new = NewSession(
        id, user.id, user.version, address_id, "bearer", utc_now(), token=token, client=Client("", "tests")
    )
    mail = NewDeviceMail(user_id=user.id, session_id=id, device="tests", at=new.created_at)
    assert await sessions.begin(new, mail) != "refused"
    return id


async def plain_session(database: Database, user_id: UUID, address_id: UUID | None = None) -> UUID:
    """Begin a session that knows nothing of its client and takes no refresh; return its id. There may be no such user.

    It has begun after all events of the user.
    """
    id, now = uuid7(), utc_now()
    ends = now + SESSION_LIFETIME
    when = [2**40, address_id, "bearer", now, ends, ends]
    no_job = ["default", 0, None, "{}", None]  # it is never enqueued: all of these sessions are on one device
    await database.rows(BEGIN, [id, user_id, *when, b"", b"", None, b"", MAX_SESSIONS, *no_job])
    return id


async def token_of(events: EventStore, links: LinkTokens, user_id: UUID, kind: LinkKind = "verify") -> str:
    """Return the token of a user's current link, as the mail has it."""
    user = await events.load(User, user_id)
    assert user is not None
    link = user.links[kind]
    made = links.again(kind, user_id, link["id"], link["digest"])
    assert made is not None
    return made.token
