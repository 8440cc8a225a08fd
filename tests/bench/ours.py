"""Our side: the write side as the roles wire it, on the event loop that the API runs on."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

import uvloop
from uuid_utils.compat import uuid7

from adapters.http.api.tokens import Tokens
from application.ports import Actor, CommandContext
from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Party
from infra.bootstrap.api import signing_keys
from infra.bootstrap.write_side import WriteSide, open_write_side, utc_now
from infra.sealing.key_ring import KeyRing
from infra.sealing.key_source import KeySource
from infra.settings.database import Part
from infra.settings.model import Settings
from tests.support.accounts import plain_session
from tests.support.servers import Database

T = TypeVar("T")

OWNER = Actor(UUID(int=7))
CALL = CommandContext(actor=OWNER, correlation_id=UUID(int=8), causation_id=UUID(int=9))
SECRETS = {"PALIMPSEST_KEYS": KeyRing.new().document()}
PORTION = 200


@dataclass(frozen=True, slots=True)
class Ours:
    """The opened write side, for use from outside of its event loop."""

    runner: asyncio.Runner
    core: WriteSide

    def __call__(self, deed: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Do something with the core, and wait for it.

        Its loop stood still since the last time, so its lease has ended: in service, caches are always in use.
        """

        async def done() -> T:
            await asyncio.to_thread(self._wait_for_lease)
            return await deed(self.core, *arguments)

        return self.runner.run(done())

    def _wait_for_lease(self) -> None:
        while not self.core.lease.holds():
            sleep(0.01)


def environment(database: Database) -> dict[str, str]:
    """The variables of a process of ours on that database."""
    return {"DATABASE_URL": database.app_url, "PALIMPSEST_METRICS_PORT": "0", **SECRETS}


def settings_for(database: Database) -> Settings:
    """The same, for this process."""
    return Settings.from_variables(environment(database))


def tokens_for(settings: Settings) -> Tokens:
    """Issues tokens that our API takes."""
    return Tokens(
        signing_keys(KeySource(settings.keys).read()),
        issuer=settings.tokens.issuer,
        audience=settings.tokens.audience,
        lifetime=settings.tokens.ttl,
        clock=utc_now,
        new_id=uuid7,
    )


@contextmanager
def opened(database: Database, part: Part = "api") -> Iterator[Ours]:
    """Our write side on that database, with the rights of a part."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stack = AsyncExitStack()
        core = runner.run(stack.enter_async_context(open_write_side(settings_for(database), part)))
        try:
            yield Ours(runner, core)
        finally:
            runner.run(stack.aclose())


def new_document(text: str, owner_id: UUID = OWNER.user_id) -> Document:
    """A draft, not yet stored."""
    return Document.create(id=uuid7(), owner_id=owner_id, title=text, content=text, now=utc_now())


async def new_users(core: WriteSide, number: int) -> dict[UUID, UUID]:
    """Users on the free plan, stored, and a session of each; they cannot log in, because they have no passwords."""
    users = [uuid7() for _ in range(number)]
    sessions: list[UUID] = []
    for start in range(0, number, PORTION):
        sessions += await asyncio.gather(*[_register(core, user_id) for user_id in users[start : start + PORTION]])
    return dict(zip(users, sessions, strict=True))


async def _register(core: WriteSide, user_id: UUID) -> UUID:
    now = utc_now()
    user = User.register(id=user_id, email=f"{user_id}@example.org", name="Somebody", password_hash="-", now=now)
    await core.store.append([user, Subscription.start(payer=Party("user", user_id), now=now)], CALL, None)
    return await plain_session(core.database, user_id)


def retitle(document: Document, title: str) -> None:
    """One event: the command that a route would send comes to this."""
    document.change(title=title, content=document.content, status="draft", by=OWNER, now=utc_now())


async def store_documents(core: WriteSide, number: int, versions: int, text: str) -> list[Document]:
    """Many documents, each with as many events, all stored."""
    documents = [new_document(text) for _ in range(number)]
    for start in range(0, number, PORTION):
        portion = documents[start : start + PORTION]
        await asyncio.gather(*[_store(core, document, versions, text) for document in portion])
    return documents


async def _store(core: WriteSide, document: Document, versions: int, text: str) -> None:
    for version in range(2, versions + 1):
        retitle(document, f"{version:08}{text}")
    await core.store.append([document], CALL, None)
