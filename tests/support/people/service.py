"""The service in this process, as the machine of people uses it: commands by the bus, and what each person is shown."""

import asyncio
from collections.abc import Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from uuid_utils.compat import uuid7

from adapters.realtime.hub import OutgoingBatch
from application.admission import admit
from application.billing.subscription import ChangePlan
from application.commands import Command
from application.content.document import DocumentView
from application.content.filing import FilingView, document_filing
from application.identity.email_change import ConfirmEmailChange, ReleaseFormerEmail, RequestEmailChange
from application.ports import Actor, CommandContext
from application.teams.seats import FollowPlan
from application.teams.team import TeamView
from domain.billing.subscription import Plan, Subscription
from domain.content.document import Document
from domain.content.publication import Publication
from domain.kernel import Party, Refusal
from domain.teams.domains import record_name, record_value
from domain.teams.join_request import JoinRequest
from infra.bootstrap.write_side import utc_now
from infra.sealing.blind_index import BlindIndex
from projections.content.document import ALL, DocumentFilter, document, documents
from projections.content.publication import public_document
from projections.kernel import read_models
from projections.teams.join_request import join_requests, own_join_requests
from projections.teams.team import team, teams
from projections.teams.team_domain import team_domains
from projections.visibility import document_access, followed_by
from tests.support.accounts import NewAccount, open_account, token_of
from tests.support.api import Api
from tests.support.links import PlainLinks
from tests.support.memory_records import MemoryRecords
from tests.support.people.model import Owner
from tests.support.people.team_model import DOMAINS
from tests.support.stores import BLIND_KEY
from tests.support.use_cases import PASSWORD

T = TypeVar("T")

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

    `folder` and what follows: of one that exists for them.
    """

    commands: str | None
    reads: str | None
    exists: bool
    followed: bool
    folder: UUID | None = None
    archived: bool = False
    trashed: bool = False
    tags: tuple[str, ...] = ()


NOT_KEPT = (False, False, ())
"""The last fields of `Shown`, of a document that does not exist for a person."""


class Service:
    """Numbers of the model by the ids of the service, and what can be done and seen with these."""

    def __init__(self, api: Api, clock: Clock, records: MemoryRecords) -> None:
        self.api, self.clock = api, clock
        self.deps = api.deps
        self._records = records
        self.people: list[UUID] = []
        self.emails: dict[int, str] = {}
        """Of addresses, by their number."""
        self.documents: list[UUID] = []
        self.teams: list[UUID] = []
        self.links: list[tuple[UUID, str, int]] = []
        """Of each link its id, its token, and the number of its document."""
        self.folders: list[tuple[UUID, Owner]] = []
        self.slugs: list[str] = []
        self.domains = [f"{uuid7().hex[-12:]}.example.org" for _ in range(DOMAINS)]
        self.domain_ids: dict[tuple[int, int], UUID] = {}
        """Of teams and domains, the id that the domain had last."""
        self.domain_mails: list[tuple[int, int, str]] = []
        """Of each mail to a postmaster its team, its domain and its token."""
        self._blind = BlindIndex(BLIND_KEY)
        self._stream: AbstractAsyncContextManager[None] | None = None
        self._seen = 0

    def open(self, people: int) -> None:
        """Open the accounts of new people, and begin to follow the events."""
        self.people = [uuid7() for _ in range(people)]
        self.emails = {number: self.new_email(number) for number in range(people)}
        self.api.run(self._open())

    def close(self) -> None:
        """Follow the events no more."""
        assert self._stream is not None
        self.api.run(self._stream.__aexit__(None, None, None))

    def new_email(self, number: int) -> str:
        """An address that no person has had. `number`: it says which domain it is of."""
        return f"{uuid7()}@{self.domains[number % DOMAINS]}"

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

    def shown_team(self, actor: Actor, number: int) -> TeamView | None:
        """A team as a person is shown it; None: it does not exist for them."""
        return self.api.run(team(self.deps.rows, actor, self.teams[number], self.clock()))

    def requests_of(self, actor: Actor, number: int) -> set[int] | str:
        """The people whose requests to join a team a person is shown, or the code of the refusal."""
        rows, stored = self.deps.rows, self.deps.history
        page = self._read(join_requests(rows, stored, actor, self.teams[number], limit=100))
        return page if isinstance(page, str) else {self.people.index(each.user_id) for each in page.items}

    def own_requests(self, actor: Actor) -> dict[int, str]:
        """The states of a person's own requests, by team."""
        page = self.api.run(own_join_requests(self.deps.rows, self.deps.history, actor, limit=100))
        teams = {JoinRequest.id_of(id, actor.user_id): number for number, id in enumerate(self.teams)}
        return {teams[each.id]: each.state for each in page.items}

    def domains_of(self, actor: Actor, number: int) -> dict[int, tuple[str | None, bool]] | str:
        """The domains of a team as a person is shown them: what proves each, and whether its record is missing."""
        found = self._read(team_domains(self.deps.rows, self.deps.history, actor, self.teams[number]))
        if isinstance(found, str):
            return found
        return {self.domains.index(each.name): (each.proved_by, each.missing_since is not None) for each in found}

    def publish(self, number: int, domain: int, *, there: bool) -> None:
        """Put the record of a team's domain into DNS, or take it out."""
        value = record_value(self.domain_ids[number, domain])
        texts = self._records.records.setdefault(record_name(self.domains[domain]), [])
        texts[:] = [each for each in texts if each != value] + [value] * there

    def take_mail(self, number: int, domain: int) -> int:
        """Keep the token of the last mail to the postmaster of a domain; return its number."""
        token = self.api.token_for_postmaster(self.teams[number], self.domain_ids[number, domain])
        self.domain_mails.append((number, domain, token))
        return len(self.domain_mails) - 1

    def change_plan(self, number: int, plan: Plan) -> None:
        """Give a team another plan, and the seats of it."""
        self.api.run(self._change_plan(Subscription.id_of(Party("team", self.teams[number])), plan))

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

    def _read(self, query: Coroutine[Any, Any, T | None]) -> T | str:
        """Read something that may not exist for a person; return it, or the code of the refusal."""
        try:
            found = self.api.run(query)
        except Refusal as refusal:
            return refusal.code
        return "not_found" if found is None else found

    async def _change_plan(self, id: UUID, plan: Plan) -> None:
        subscription = await self.deps.history.load(Subscription, id)
        assert subscription is not None
        subscription.change_plan(plan, now=self.clock())
        await self.deps.history.append([subscription], CommandContext(None, uuid7()), None)
        await self._send(FollowPlan(subscription_id=id), None)

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
        found = await document(rows, actor, id)
        kept = NOT_KEPT if found is None or filing is None else _kept(found.view, filing.view)
        return Shown(
            commands=role,
            reads=access.role,
            exists=found is not None,
            followed=id in await followed_by(rows, actor),
            folder=None if filing is None else filing.view.folder_id,
            archived=kept[0],
            trashed=kept[1],
            tags=kept[2],
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


def _kept(view: DocumentView, filing: FilingView) -> tuple[bool, bool, tuple[str, ...]]:
    """Where a document is kept: whether in the archive or in the trash, and its tags."""
    return view.status == "archived", view.trashed_at is not None, tuple(filing.tags)
