"""The service in this process, as the machine of people uses it: commands by the bus, and what each person is shown."""

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.realtime.hub import OutgoingBatch
from application.admission import admit
from application.billing.subscription import ChangePlan
from application.commands import Command
from application.content.filing import document_filing
from application.identity.email_change import ConfirmEmailChange, ReleaseFormerEmail, RequestEmailChange
from application.ports import Actor, CommandContext
from domain.content.document import Document
from domain.content.publication import Publication
from domain.kernel import Party, Refusal
from infra.bootstrap.write_side import utc_now
from infra.sealing.blind_index import BlindIndex
from projections.content.document import ALL, DocumentFilter, document, documents
from projections.content.publication import public_document
from projections.kernel import read_models
from projections.teams.team import team, teams
from projections.visibility import document_access, followed_by
from tests.support.accounts import NewAccount, open_account, token_of
from tests.support.api import Api
from tests.support.links import PlainLinks
from tests.support.people.model import Owner
from tests.support.stores import BLIND_KEY
from tests.support.use_cases import PASSWORD

PATIENCE_SECONDS = 30.0


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        return self.now

    def move(self, days: float) -> None:
        """Let time pass."""
        self.now += timedelta(days=days)


@dataclass(frozen=True)
class Shown:
    """What a person is shown of a document: their role for commands and for reads, and in the stream of events.

    `folder`: of one that exists for them.
    """

    commands: str | None
    reads: str | None
    exists: bool
    followed: bool
    folder: UUID | None = None


class Service:
    """Numbers of the model by the ids of the service, and what can be done and seen with these."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self.api, self.clock = api, clock
        self.deps = api.deps
        self.people: list[UUID] = []
        self.emails: dict[int, str] = {}
        """Of addresses, by their number."""
        self.documents: list[UUID] = []
        self.teams: list[UUID] = []
        self.links: list[tuple[UUID, str, int]] = []
        """Of each link its id, its token, and the number of its document."""
        self.folders: list[tuple[UUID, Owner]] = []
        self._blind = BlindIndex(BLIND_KEY)
        self._stream: AbstractAsyncContextManager[None] | None = None
        self._seen = 0

    def open(self, people: int) -> None:
        """Open the accounts of new people, and begin to follow the events."""
        self.people = [uuid7() for _ in range(people)]
        self.emails = {number: self.new_email() for number in range(people)}
        self.api.run(self._open())

    def close(self) -> None:
        """Follow the events no more."""
        assert self._stream is not None
        self.api.run(self._stream.__aexit__(None, None, None))

    def new_email(self) -> str:
        """An address that no person has had."""
        return f"{uuid7()}@example.org"

    def actor(self, person: int, address: int | None) -> Actor:
        """A person who has logged in. `address`: the number of their address."""
        address_id = None if address is None else self._blind.address_id(self.emails[address])
        return Actor(self.people[person], address_id)

    def send(self, command: Command[Any], actor: Actor | None = None) -> tuple[str, Any]:
        """Send a command; return "done" with its answer, or the code of the refusal. `actor`: None is the system."""
        return self.api.run(self._send(command, actor))

    def change_address(self, actor: Actor, person: int, email: str) -> str:
        """Give a person another address; return "done", or why not."""
        code, _ = self.send(RequestEmailChange(email=email, password=PASSWORD), actor)
        for kind in ("old_email", "new_email") if code == "done" else ():
            token = self.api.run(token_of(self.deps.history, PlainLinks(), self.people[person], kind))
            code, _ = self.send(ConfirmEmailChange(token=token))
            if code != "done":
                return code
        return code

    def release_former_address(self, person: int) -> None:
        """Make a former address free, if the change of it cannot be undone any more."""
        self.send(ReleaseFormerEmail(id=self.people[person]))

    def shown(self, actor: Actor, number: int, owner: Party) -> Shown:
        """What a person is shown of a document. `owner`: of the document, who decides which rule it is."""
        return self.api.run(self._shown(actor, self.documents[number], owner))

    def listed(self, actor: Actor) -> dict[UUID, str]:
        """The documents that a person lists, also those in the trash, with their roles."""
        return self.api.run(self._listed(actor))

    def listed_teams(self, actor: Actor) -> set[UUID]:
        """The teams that a person lists."""
        return self.api.run(self._listed_teams(actor))

    def reads_team(self, actor: Actor, number: int) -> bool:
        """Whether a team exists for a person."""
        return self.api.run(team(self.deps.rows, actor, self.teams[number], self.clock())) is not None

    def is_public(self, number: int) -> bool:
        """Whether everybody may read a document."""
        public_id = Publication.id_of(self.documents[number])
        return self.api.run(public_document(self.deps.rows, public_id)) is not None

    def new_events(self) -> OutgoingBatch:
        """The events since the last time, with the people who may read them now."""
        return self.api.run(self._new_events())

    def catch_up(self) -> None:
        """Wait until all read models show all events."""
        self.api.run(self._catch_up())

    async def _open(self) -> None:
        async def send(command: Command[Any]) -> None:
            await self.deps.send(command, CommandContext(None, uuid7()))

        async def open_one(id: UUID, email: str) -> None:
            await open_account(send, self.deps.history, PlainLinks(), NewAccount(id, email, "Somebody", PASSWORD[::-1]))
            await self.deps.send(ChangePlan(plan="enterprise"), CommandContext(Actor(id), uuid7()))

        await asyncio.gather(*map(open_one, self.people, self.emails.values()))
        self._stream = self.deps.live.subscribed(self.people[0], "")
        await self._stream.__aenter__()
        self._seen = await self._head()

    async def _send(self, command: Command[Any], actor: Actor | None) -> tuple[str, Any]:
        try:
            result = await self.deps.send(command, CommandContext(actor, uuid7()))
        except Refusal as refusal:
            return refusal.code, None
        return "done", result.answer

    async def _shown(self, actor: Actor, id: UUID, owner: Party) -> Shown:
        root = await self.deps.history.load(Document, id)
        assert root is not None
        try:
            await admit(root, actor, self.deps.history, self.clock())
            role = root.role_of(actor)
        except Refusal:
            role = None
        filing = None if role is None else await document_filing(self.deps.history, actor, id, self.clock())
        rows = self.deps.rows
        access = await document_access(rows, actor, id, owner)
        return Shown(
            commands=role,
            reads=access.role,
            exists=await document(rows, actor, id) is not None,
            followed=id in await followed_by(rows, actor),
            folder=None if filing is None else filing.view.folder_id,
        )

    async def _listed(self, actor: Actor) -> dict[UUID, str]:
        pages: Sequence[Any] = [
            await documents(self.deps.rows, actor, wanted, limit=100) for wanted in (ALL, DocumentFilter(trashed=True))
        ]
        assert not any(page.next for page in pages)
        return {each.id: each.role for page in pages for each in page.items}

    async def _listed_teams(self, actor: Actor) -> set[UUID]:
        page = await teams(self.deps.rows, actor, self.clock(), limit=100)
        assert page.next is None
        return {each.id for each in page.items}

    async def _head(self) -> int:
        head = await self.deps.live.head(PATIENCE_SECONDS)
        assert head is not None, "the stream has the newest event in time"
        return head

    async def _new_events(self) -> OutgoingBatch:
        # Once the hub has them all, a page asks who may read it now: the answer does not come from an earlier moment.
        head = await self._head()
        if head == self._seen:
            return OutgoingBatch([], head)
        batch = await self.deps.live.after(self._seen, 0, Actor(self.people[0]))
        assert batch.reached == head
        self._seen = head
        return batch

    async def _catch_up(self) -> None:
        head = await self.deps.head()
        for model in read_models():
            assert await self.deps.positions.wait(model.name, head, PATIENCE_SECONDS) == 0
