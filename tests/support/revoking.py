"""Revocation under load: requests to all API processes, while a session, a share, a role or a password is revoked.

None of the requests that began after the answer to the revocation may succeed.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

import httpx2
from uuid_utils.compat import uuid7

from application.billing.subscription import ChangePlan
from application.commands import Command
from application.ports import Actor, CommandContext
from domain.identity.links import LinkKind
from infra.bootstrap.links import open_link_tokens
from infra.bootstrap.write_side import WriteSide, open_write_side
from infra.local.servers.process import free_ports
from infra.sealing.blind_index import BlindIndex
from infra.settings.model import Settings
from tests.support.accounts import open_account_in, token_of
from tests.support.http import PASSWORD
from tests.support.roles import RoleProcess, environment, until_ready
from tests.support.servers import Database, RedisForTests
from tests.support.stores import BLIND_KEY, KEYS, open_store
from tests.support.waiting import until

PER_SECOND = 70
"""Requests to each process."""
LATER_SECONDS = 0.3
"""How long requests go on after the answer, and after the end of what held meanwhile."""
MIN_BEFORE = 5
"""Requests that each process has answered before the revocation."""


@dataclass
class Servers:
    """API processes and a projector on one database."""

    urls: list[str]
    apis: list[RoleProcess]
    redis: RedisForTests
    database: Database


@contextmanager
def running_servers(
    database: Database, cache: RedisForTests, folder: Path, programs: Sequence[Sequence[str]]
) -> Iterator[Servers]:
    """The processes, ready. `programs`: of each API process, as `RoleProcess` takes it; empty ones are the product."""
    ports, roles = free_ports(len(programs)), list[RoleProcess]()
    for number, (program, port) in enumerate(zip(programs, ports, strict=True)):
        own = folder / str(number)
        own.mkdir()
        roles.append(RoleProcess("api", environment(database, cache.url, port, own), own, program))
    roles.append(RoleProcess("projector", environment(database, cache.url, 1, folder), folder))
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        for role in roles:
            role.start()
        for url in urls:
            until_ready(url)
        yield Servers(urls, roles[:-1], cache, database)
    finally:
        for role in roles:
            role.kill()


@dataclass
class Person:
    """A user who is logged in."""

    email: str
    client: httpx2.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)
    session_id: str = ""
    refresh_token: str = ""

    async def send(self, method: str, url: str, body: object = None) -> httpx2.Response:
        """Send a request, and expect that it succeeds."""
        answer = await self.client.request(method, url, json=body, headers=self.headers)
        assert answer.status_code < 300, answer.text
        return answer

    async def log_in(self, url: str) -> None:
        """Begin a session."""
        self.use(await self.send("POST", f"{url}/v1/auth/login", {"email": self.email, "password": PASSWORD}))

    async def refresh(self, url: str) -> None:
        """Go on with the session."""
        self.use(await self.send("POST", f"{url}/v1/auth/refresh", {"refresh_token": self.refresh_token}))

    def use(self, answer: httpx2.Response) -> None:
        """Use the tokens of an answer from now on."""
        tokens = answer.json()
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        self.session_id, self.refresh_token = tokens["session_id"], tokens["refresh_token"]


@dataclass
class Scene:
    """Ada, who shares a document and a team with Bob; Bob, who has two sessions and shares a document with Ada."""

    servers: Servers
    core: WriteSide
    ada: Person
    bob: Person
    other_bob: Person
    bob_id: UUID
    document: str = ""
    bobs_document: str = ""
    team: str = ""
    other_document: str = ""
    """A document that Bob comes to in another way: by a link, a request, a loan, or as a member of the team."""
    link: str = ""
    """The link by which Bob came to it."""

    @property
    def url(self) -> str:
        """The address of the first process."""
        return self.servers.urls[0]

    async def command(self, command: Command[Any], actor: Actor | None = None) -> None:
        """Carry out a command in this process."""
        bus = self.core.bus({"links": open_link_tokens(self.core.keys)})
        await bus.send(command, CommandContext(actor, uuid7()))

    async def link_of_bob(self, kind: LinkKind) -> dict[str, str]:
        """The body that Bob's latest link of a kind sends."""
        return {"token": await token_of(self.core.store, open_link_tokens(self.core.keys), self.bob_id, kind)}


@asynccontextmanager
async def scene_on(servers: Servers) -> AsyncIterator[Scene]:
    """A scene of new people."""
    settings = Settings.from_variables({"DATABASE_URL": servers.database.app_url, **KEYS})
    emails = [f"{uuid7()}@example.org" for _ in range(2)]
    async with open_store(servers.database.app_url) as opened:
        ids = [await open_account_in(opened, email, "Somebody", PASSWORD) for email in emails]
    async with httpx2.AsyncClient(timeout=30) as client, open_write_side(settings, "api") as core:
        ada, bob, other = (Person(email, client) for email in (emails[0], emails[1], emails[1]))
        scene = Scene(servers, core, ada, bob, other, ids[1])
        for email, user_id in zip(emails, ids, strict=True):
            await scene.command(ChangePlan(plan="pro"), Actor(user_id, BlindIndex(BLIND_KEY).address_id(email)))
        for each in (ada, bob, other):
            await each.log_in(scene.url)
        scene.document = await _shared_document(scene, ada, bob)
        scene.bobs_document = await _shared_document(scene, bob, ada)
        slug = f"crew-{ids[1].hex[-12:]}"
        made = await ada.send("POST", f"{scene.url}/v1/teams", {"name": "Crew", "slug": slug})
        scene.team = made.headers["Location"]
        await ada.send("POST", f"{scene.url}{scene.team}/invitations", {"email": bob.email, "role": "admin"})
        await bob.send("POST", f"{scene.url}{scene.team}/invitations/accept")
        yield scene


async def _shared_document(scene: Scene, owner: Person, other: Person) -> str:
    made = await owner.send("POST", f"{scene.url}/v1/documents", {"title": "Notes"})
    path = str(made.headers["Location"])
    await owner.send("POST", f"{scene.url}{path}/shares", {"email": other.email, "role": "editor"})
    return path


@dataclass(frozen=True)
class Revocation:
    """A request, what forbids it, who sends it (Bob, if nothing is said), and how often to each process.

    `prepare`: what allows it.
    """

    method: str
    path: Callable[[Scene], str]
    revoke: Callable[[Scene], Awaitable[object]]
    sender: Callable[[Scene], Person] = lambda scene: scene.bob
    per_second: int = PER_SECOND
    body: object = None
    prepare: Callable[[Scene], Awaitable[object]] | None = None


@dataclass
class Load:
    """Requests that are sent all the time: when each began, to which process, and its status.

    `mortal`: the process that may break off; what it leaves without an answer is no success.
    """

    mortal: str | None = None
    sent: list[tuple[float, str, int]] = field(default_factory=list)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)

    async def run(self, scene: Scene, revocation: Revocation) -> None:
        """Send requests to all processes until cancelled."""
        while True:
            for url in scene.servers.urls:
                self.tasks.append(asyncio.create_task(self._send(scene, revocation, url)))
            await asyncio.sleep(1 / revocation.per_second)

    async def _send(self, scene: Scene, revocation: Revocation, url: str) -> None:
        began = monotonic()
        sender = revocation.sender(scene)
        try:
            answer = await sender.client.request(
                revocation.method, f"{url}{revocation.path(scene)}", json=revocation.body, headers=dict(sender.headers)
            )
        except httpx2.TransportError:
            if url == self.mortal:
                return
            raise
        self.sent.append((began, url, answer.status_code))

    def begun(self, urls: Sequence[str]) -> bool:
        """Whether each process has taken some requests."""
        return all(len(self.succeeded(url, after=0.0)) >= MIN_BEFORE for url in urls)

    def succeeded(self, url: str, *, after: float) -> list[int]:
        """The statuses of the requests that began after a time and succeeded."""
        return [status for began, to, status in self.sent if to == url and began > after and status < 300]


async def revoke_under_load(
    scene: Scene,
    revocation: Revocation,
    *,
    meanwhile: AbstractContextManager[None] | None = None,
    mortal: str | None = None,
) -> float:
    """Revoke while requests come; see that each process took them before and takes none that began after the answer.

    Returns after how many seconds the revocation was answered. `meanwhile`: what holds from before the revocation until
    a moment after its answer. `mortal`: see `Load`.
    """
    if revocation.prepare is not None:
        await revocation.prepare(scene)
    load = Load(mortal)
    sending = asyncio.create_task(load.run(scene, revocation))
    await until(lambda: sending.done() or load.begun(scene.servers.urls))
    with meanwhile or nullcontext():
        asked = monotonic()
        await revocation.revoke(scene)
        answered = monotonic()
        await asyncio.sleep(LATER_SECONDS)
    if meanwhile is not None:
        await asyncio.sleep(LATER_SECONDS)
    sending.cancel()
    await asyncio.gather(*load.tasks)
    assert load.begun(scene.servers.urls), "requests succeeded before"
    for url in scene.servers.urls:
        assert load.succeeded(url, after=answered) == []
    return answered - asked
