"""The change feed against a plain model: whenever a client asks, at the end its copy is what the list shows."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from uuid import UUID

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace as changed
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor, Undecodable
from domain.access import DOCUMENT
from domain.content import ownership, sharing
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.content.filing import file, set_tags
from domain.content.lending import lend, role_by_loan, take_back
from domain.content.ownership import FormerOwner
from domain.content.roles import Role
from domain.content.star import Star
from domain.content.team_roles import require_by_team, role_by_team
from domain.identity import suspension
from domain.identity.user import User
from domain.kernel import Refusal, Root
from domain.teams import dissolution, invitations
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from infra.projector.quarantine import retry
from projections.content.document import DocumentSummary, documents
from projections.content.document_change import SyncTokenExpired, document_changes
from projections.kernel import read_models
from projections.page import BadCursor
from tests.support.given import NOW, person
from tests.support.projecting import MemoryFeed, Running, news, projecting, quarantine_of
from tests.support.servers import Database

PEOPLE = 3
EVENTS = [
    "create",
    "edit",
    "tag",
    "file",
    "share",
    "bind",
    "revoke",
    "leave",
    "give",
    "trash",
    "restore",
    "purge",
    "star",
]
LOANS = ["lend", "lend", "take_back"]
TEAM_EVENTS = ["found", "write", "write", "join", "join", "role", "remove", "quit", "dissolve", "keep", "end"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from([*EVENTS, *TEAM_EVENTS, *LOANS, "create", "share", "hide", "show", "move", "sync", "sync"]),
        st.integers(0, PEOPLE - 1),
        st.integers(0, PEOPLE - 1),
        st.integers(0, 5),
    ),
    max_size=25,
)
MOVED = [("create", 0, 0, 0), ("share", 0, 1, 0), ("bind", 0, 1, 0), ("move", 1, 0, 0), ("sync", 1, 0, 0)]
"""A person reads a document by a bound share after a change of address."""
JOINED = [("found", 0, 0, 0), ("write", 0, 0, 0), ("sync", 1, 0, 0), ("join", 0, 1, 0), ("sync", 1, 0, 0)]
LEFT = [*JOINED, ("write", 0, 0, 0), ("quit", 1, 0, 0), ("write", 0, 0, 0), ("edit", 0, 0, 0), ("sync", 1, 0, 0)]
BACK = [*JOINED, ("quit", 1, 0, 0), ("write", 0, 0, 0), ("join", 0, 1, 0), ("role", 0, 1, 2), ("sync", 1, 0, 0)]
ENDED = [*JOINED, ("dissolve", 0, 0, 0), ("sync", 1, 0, 0), ("end", 0, 0, 0), ("sync", 1, 0, 0)]
"""Members of a team come to documents, and lose them."""
ROLES: list[InvitedRole] = ["editor", "viewer", "guest", "admin"]
OWNER = 4
"""The number of the step `role` that makes an owner."""
TAKEN = [*JOINED, ("give", 0, 2, 0), ("edit", 2, 0, 0), ("sync", 1, 0, 0), ("quit", 1, 0, 0), ("sync", 1, 0, 0)]
LATE = [*JOINED, ("quit", 1, 0, 0), ("give", 0, 2, 0), ("sync", 1, 0, 0), ("edit", 2, 0, 0)]
DONATED = [("create", 0, 0, 0), *JOINED, ("donate", 0, 0, 0), ("sync", 1, 0, 0), ("give", 0, 2, 0), ("sync", 1, 0, 0)]
"""Documents leave a team with another owner, and come to it."""
LENT = [*JOINED, ("create", 0, 0, 0), ("lend", 0, 0, 1), ("sync", 1, 0, 0)]
OVER = [*LENT, ("take_back", 0, 0, 1)]
AGAIN = [*OVER, ("sync", 1, 0, 0), ("lend", 0, 0, 1), ("edit", 0, 0, 1)]
GONE = [*LENT, ("quit", 1, 0, 0)]
BACK_AGAIN = [*GONE, ("sync", 1, 0, 0), ("join", 0, 1, 0)]
LENDER = [*LENT, ("role", 0, 1, OWNER), ("sync", 1, 0, 0), ("quit", 0, 0, 0)]
HIDDEN = [*LENT, ("hide", 0, 0, 0)]
SHUT = [*LENT, ("dissolve", 0, 0, 0), ("sync", 1, 0, 0), ("end", 0, 0, 0)]
"""Documents are lent to a team, until the loan, the membership of a reader or of the lender, or the team ends."""
GIVEN_AWAY = [("create", 0, 0, 0), ("sync", 0, 0, 0), ("give", 0, 1, 0), ("leave", 0, 0, 0), ("sync", 0, 0, 0)]
"""A person gives a document away, and then leaves it."""
ids = count(1_000)


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


@dataclass
class Copy:
    """A client that keeps a copy of the list of its user."""

    world: "World"
    number: int
    documents: dict[UUID, DocumentSummary] = field(default_factory=dict)
    since: str | None = None

    @property
    def reader(self) -> Actor:
        """The user, with their present address."""
        return self.world.people[self.number]

    async def sync(self, rows: PooledReadStore) -> None:
        """Ask for what has changed, in steps of two."""
        more = True
        while more:
            try:
                page = await document_changes(rows, self.reader, since=self.since, limit=2)
            except SyncTokenExpired:
                self.documents, self.since = {}, None
                continue
            for change in page.items:
                if change.document is None:
                    self.documents.pop(change.id, None)
                else:
                    self.documents[change.id] = change.document
            self.since, more = page.next, page.more


class World:
    """People with documents, and the log of what they do."""

    def __init__(self, feed: MemoryFeed) -> None:
        self.feed = feed
        self.people = [person(next(ids)) for _ in range(PEOPLE)]
        self.accounts = [
            User.register(id=each.user_id, email="a@example.org", name="A", password_hash="", now=NOW)
            for each in self.people
        ]
        self.documents: list[Document] = []
        self.teams: list[Team] = []
        self.stars: dict[UUID, Star] = {}

    def step(self, kind: str, who: int, whom: int, which: int) -> None:
        """Let a person do something; what is refused changes nothing."""
        with suppress(Refusal):
            if kind == "create":
                id = UUID(int=next(ids))
                owner_id = self.people[who].user_id
                self.documents.append(Document.create(id=id, owner_id=owner_id, title="A", content="", now=NOW))
            elif kind == "hide":
                suspension.request_deletion(self.accounts[who], now=NOW)
            elif kind == "show":
                suspension.withdraw_deletion(self.accounts[who], now=NOW)
            elif kind in TEAM_EVENTS:
                self._change_team(kind, self.people[who], self.people[whom], which)
            elif kind == "move":
                self.people[who] = person(self.people[who].user_id.int, address=next(ids))
            elif kind in LOANS:
                self._lend(kind, self.people[who], which)
            elif self.documents and (kind != "donate" or self.teams):
                by, whom_ = self.lent(self.people[who]), self.lent(self.people[whom])
                self._change(kind, by, whom_, self.documents[which % len(self.documents)])

    def _change_team(self, kind: str, by: Actor, whom: Actor, which: int) -> None:
        assert whom.address_id is not None
        if kind == "found":
            id = UUID(int=next(ids))
            self.teams.append(Team.found(id=id, name="A", slug=f"a-{id.int}", owner_id=by.user_id, now=NOW))
        if not self.teams:
            return
        one, role = self.teams[which % len(self.teams)], ROLES[which % len(ROLES)]
        match kind:
            case "write":
                require_by_team("create_in_team", one, by)
                id, new = UUID(int=next(ids)), {"title": "A", "content": ""}
                self.documents.append(Document.create(id=id, owner_kind="team", owner_id=one.id, now=NOW, **new))
            case "join":
                invitations.invite(one, address_id=whom.address_id, email="a@example.org", role=role, by=by, now=NOW)
                invitations.accept(one, by=whom, now=NOW)
            case "role":
                one.change_role(user_id=whom.user_id, role="owner" if which == OWNER else role, by=by, now=NOW)
            case "remove":
                one.remove(user_id=whom.user_id, by=by, now=NOW)
            case "quit":
                one.leave(by=by, now=NOW)
            case "dissolve":
                dissolution.request(one, by=by, now=NOW)
            case "keep":
                dissolution.withdraw(one, by=by, now=NOW)
            case "end":
                dissolution.carry_out(one, now=NOW + dissolution.DISSOLUTION_GRACE)

    def _lend(self, kind: str, by: Actor, which: int) -> None:
        if not self.documents or not self.teams:
            return
        one, team = self.documents[which % len(self.documents)], self.teams[which % len(self.teams)]
        if kind == "lend":
            lend(one, team, "editor" if team.id in one.team_shares else "viewer", by=self.lent(by), now=NOW)
        else:
            take_back(one, team.id, by=self.lent(by), now=NOW)

    def lent(self, reader: Actor) -> Actor:
        """The person, with the roles that teams lend them, on what is theirs and what is lent to them."""
        roles: dict[UUID, Role | None] = {team.id: role_by_team(team, reader) for team in self.teams}
        for one in self.documents:
            by_loans = [role_by_loan(one, team, reader) for team in self.teams]
            roles[one.id] = DOCUMENT.highest(role for role in by_loans if role is not None)
        return replace(reader, lent={id: role for id, role in roles.items() if role is not None})

    def _change(self, kind: str, by: Actor, whom: Actor, one: Document) -> None:
        assert whom.address_id is not None
        match kind:
            case "edit":
                one.change(title=f"{next(ids)}", content="", status=one.status, by=by, now=NOW)
            case "tag":
                set_tags(one, [f"{next(ids)}"], by=by, now=NOW)
            case "file":
                file(one, UUID(int=next(ids)), by=by, now=NOW)
            case "share":
                sharing.share(one, address_id=whom.address_id, email="a@example.org", role="editor", by=by, now=NOW)
            case "bind":
                sharing.bind_share(one, by=whom, now=NOW)
            case "revoke":
                sharing.revoke_share(one, address_id=whom.address_id, by=by, now=NOW)
            case "leave":
                sharing.leave(one, by=whom, now=NOW)
            case "give" | "donate":
                self._give(kind, by, whom, one)
            case "trash":
                one.trash(by=by, now=NOW)
            case "restore":
                one.restore_from_trash(by=by, now=NOW)
            case "purge":
                erase_document(one, now=NOW)
            case "star":
                self._star(by, one)

    def _give(self, kind: str, by: Actor, whom: Actor, one: Document) -> None:
        assert by.address_id is not None
        assert whom.address_id is not None
        former: FormerOwner | Team = FormerOwner(by.user_id, by.address_id, "b@example.org")
        if one.owner_kind == "team":
            former = next(each for each in self.teams if each.id == one.owner_id)
        team = self.teams[0] if kind == "donate" else None
        if team is None:
            ownership.offer(one, address_id=whom.address_id, email="a@example.org", by=by, now=NOW)
        else:
            ownership.offer_to_team(one, team, by=by, now=NOW)
        ownership.accept(one, team, former, by=whom, now=NOW)

    def _star(self, by: Actor, one: Document) -> None:
        one.require("star", by)
        id = Star.id_of(by.user_id, one.id)
        if id not in self.stars:
            self.stars[id] = Star.place(user_id=by.user_id, document_id=one.id, now=NOW)
        elif self.stars[id].placed:
            self.stars[id].remove(now=NOW)
        else:
            self.stars[id].place_again(now=NOW)

    def publish(self) -> None:
        """Add what has happened to the log."""
        roots: list[Root] = [*self.accounts, *self.teams, *self.documents, *self.stars.values()]
        self.feed.add(news(*roots))
        for root in roots:
            root.collect_events()

    def shown(self, reader: Actor) -> set[UUID]:
        """What the reader's list has, as the rules say."""
        hidden = {each.id for each in self.accounts if each.deletion_due is not None} - {reader.user_id}
        return {
            one.id
            for one in self.documents
            if one.role_of(self.lent(reader)) is not None and one.trashed_at is None and one.owner_id not in hidden
        }


async def listed(rows: PooledReadStore, reader: Actor) -> dict[UUID, DocumentSummary]:
    """All documents of the reader's list."""
    return {each.id: each for each in (await documents(rows, reader, limit=100)).items}


async def play(
    rows: PooledReadStore, running: Running, feed: MemoryFeed, steps: list[tuple[str, int, int, int]]
) -> None:
    """Let people do these steps, and clients ask in between; then compare each copy with the list and the rules."""
    world = World(feed)
    copies = [Copy(world, number) for number in range(PEOPLE)]
    for kind, who, whom, which in steps:
        if kind == "sync":
            await running.reached()
            await copies[who].sync(rows)
            continue
        world.step(kind, who, whom, which)
        world.publish()
    await running.reached()
    for copy in copies:
        await copy.sync(rows)
        assert copy.documents == await listed(rows, copy.reader)
        assert copy.documents.keys() == world.shown(copy.reader)


async def test_a_copy_ends_as_the_list_is_whenever_its_client_asks(database: Database, rows: PooledReadStore) -> None:
    feed, loop = MemoryFeed(), asyncio.get_running_loop()
    async with projecting(read_models(), feed, database.app_url) as running:

        @settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
        @given(STEPS)
        @example(MOVED)
        @example(JOINED)
        @example(LEFT)
        @example(BACK)
        @example(ENDED)
        @example(GIVEN_AWAY)
        @example(TAKEN)
        @example(LATE)
        @example(DONATED)
        @example(LENT)
        @example(OVER)
        @example(AGAIN)
        @example(GONE)
        @example(BACK_AGAIN)
        @example(LENDER)
        @example(HIDDEN)
        @example(SHUT)
        def check(steps: list[tuple[str, int, int, int]]) -> None:
            asyncio.run_coroutine_threadsafe(play(rows, running, feed, steps), loop).result()

        await asyncio.to_thread(check)


async def test_a_token_ends_with_the_address_and_another_text_is_none(
    database: Database, rows: PooledReadStore
) -> None:
    async with projecting(read_models(), MemoryFeed(), database.app_url) as running:
        await running.reached()
    ada, moved = person(1), person(1, address=2)
    page = await document_changes(rows, ada)
    assert (page.items, page.more) == ([], False)
    assert (await document_changes(rows, ada, since=page.next)).items == []
    with pytest.raises(SyncTokenExpired):
        await document_changes(rows, moved, since=page.next)
    with pytest.raises(BadCursor):
        await document_changes(rows, ada, since="x")


async def test_what_is_released_from_quarantine_reaches_clients_that_have_passed_it(
    database: Database, rows: PooledReadStore
) -> None:
    feed = MemoryFeed()
    world = World(feed)
    copy = Copy(world, 1)
    async with projecting(read_models(), feed, database.app_url) as running:
        world.step("create", 0, 0, 0)
        world.step("share", 0, 1, 0)
        world.step("edit", 0, 0, 0)
        world.step("create", 1, 1, 1)
        world.publish()
        # Changed before a read model has seen it.
        sound, id = feed.events, world.documents[0].id
        feed.events = [
            changed(each, data=Undecodable("X")) if each.topic == "document.shared" else each for each in sound
        ]
        await running.reached()
        await copy.sync(rows)
        assert copy.documents.keys() == {world.documents[1].id}
        feed.events = sound
        released = [each.consumer for each in await quarantine_of(database.app_url) if each.stream_id == id]
        assert "document" in released
        for model in read_models():
            if model.name in released:
                assert await retry(model, id, feed, database.app_url) is None
        await copy.sync(rows)
    assert copy.documents == await listed(rows, copy.reader)
    assert copy.documents.keys() == world.shown(copy.reader) == {each.id for each in world.documents}


@pytest.mark.parametrize("end", ["quit", "role"])
async def test_a_former_reader_learns_nothing_of_documents_that_came_later(
    database: Database, rows: PooledReadStore, end: str
) -> None:
    """A reader who became a guest loses nothing more when they leave."""
    feed = MemoryFeed()
    world = World(feed)
    before = [("found", 0, 0, 0), ("write", 0, 0, 0), ("join", 0, 1, 0), ("write", 0, 0, 0)]
    ending = ("quit", 1, 0, 0) if end == "quit" else ("role", 0, 1, 2)
    async with projecting(read_models(), feed, database.app_url) as running:
        await happen(world, running, [*before, ending])
        copy = Copy(world, 1)
        await copy.sync(rows)
        assert copy.documents == {}
        later = [("write", 0, 0, 0), ("create", 0, 0, 0), ("lend", 0, 0, 3), ("edit", 0, 0, 3), ("edit", 0, 0, 0)]
        await happen(world, running, [*later, ("quit", 1, 0, 0), ("dissolve", 0, 0, 0)])
        assert world.documents[3].team_shares
        await copy.sync(rows)
        seen = {change.id for change in (await document_changes(rows, copy.reader)).items}
        assert seen == {one.id for one in world.documents[:2]}


async def happen(world: World, running: Running, steps: list[tuple[str, int, int, int]]) -> None:
    """Let these steps happen, and wait until the read models show them."""
    for step in steps:
        world.step(*step)
        world.publish()
    await running.reached()
