"""What members of teams see of documents that are lent to them equals the domain's rules, after random histories."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor
from domain.access import DOCUMENT
from domain.content import sharing
from domain.content.document import Document
from domain.content.lending import lend, lives, role_by_loan, take_back
from domain.content.roles import ShareRole
from domain.content.team_roles import role_by_team
from domain.identity import suspension
from domain.identity.user import User
from domain.kernel import Refusal, Root
from domain.teams import dissolution, invitations
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.joining import add_member
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.content.document import document, documents
from projections.content.document_team_share import team_shares
from projections.content.leaving import dissolving, leaving, removing
from projections.kernel import read_models
from projections.visibility import followed_by, readers_of
from tests.support.given import NOW, address_of, person
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database

FOUNDER, OWNER, *MEMBERS = PEOPLE = [person(number) for number in range(1, 6)]
STRANGER = person(9)
STEPS = ["join", "join", "join", "lend", "lend", "leave", "remove", "role", "take back", "share", "dissolve", "end"]

ROLES: list[InvitedRole] = ["admin", "editor", "editor", "viewer", "guest"]
LENT_ROLES: list[ShareRole] = ["editor", "commenter", "viewer"]


class World:
    """One document of a person, and two teams in which people come and go."""

    def __init__(self, number: int) -> None:
        pick = random.Random(number)
        self.document = Document.create(
            id=UUID(int=100 + number), owner_id=OWNER.user_id, title="A", content="", now=NOW
        )
        self.teams = [
            Team.found(id=UUID(int=id), name="A", slug=f"a-{id}", owner_id=FOUNDER.user_id, now=NOW, seats=9)
            for id in (0x7000 + 2 * number, 0x7001 + 2 * number)
        ]
        for team in self.teams:
            self._join(team, OWNER, pick)
            self._join(team, pick.choice(MEMBERS), pick)
        for _ in range(pick.randrange(4, 25)):
            with suppress(Refusal):
                self._step(pick, pick.choice(self.teams), pick.choice([OWNER, OWNER, *MEMBERS]))

    def _join(self, team: Team, who: Actor, pick: random.Random) -> None:
        role = pick.choice(ROLES)
        address_id = address_of(who)
        invitations.invite(team, address_id=address_id, email="a@example.org", role=role, by=FOUNDER, now=NOW)
        invitations.accept(team, by=who, now=NOW)

    def _step(self, pick: random.Random, team: Team, who: Actor) -> None:
        match pick.choice(STEPS):
            case "join" if who.user_id not in team.members:
                self._join(team, who, pick)
            case "lend":
                lend(self.document, team, pick.choice(LENT_ROLES), by=OWNER, now=NOW)
            case "leave":
                team.leave(by=who, now=NOW)
            case "remove":
                team.remove(user_id=who.user_id, by=FOUNDER, now=NOW)
            case "role":
                team.change_role(user_id=who.user_id, role=pick.choice(["viewer", "guest"]), by=FOUNDER, now=NOW)
            case "take back":
                take_back(self.document, team.id, by=OWNER, now=NOW)
            case "share":
                share = {"address_id": address_of(who), "email": "a@example.org"}
                sharing.share(self.document, **share, role="commenter", by=OWNER, now=NOW)  # type: ignore[arg-type]
            case "dissolve" if pick.random() < 0.3:
                dissolution.request(team, by=FOUNDER, now=NOW)
            case "end" if pick.random() < 0.3:
                dissolution.carry_out(team, now=NOW + DISSOLUTION_GRACE)

    def role_of(self, who: Actor) -> str | None:
        """The person's role, by shares and by loans."""
        by_loan = [role_by_loan(self.document, team, who) for team in self.teams]
        return DOCUMENT.highest(role for role in (self.document.role_of(who), *by_loan) if role is not None)

    @property
    def roots(self) -> list[Root]:
        """All aggregates, with their events."""
        return [self.document, *self.teams]


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


async def test_members_see_what_is_lent_to_their_teams(database: Database, rows: PooledReadStore) -> None:
    worlds = [World(number) for number in range(60)]
    feed = MemoryFeed(news(*(root for world in worlds for root in world.roots)))
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()
    seen = set()
    for who in (*PEOPLE, STRANGER):
        listed = {each.id: each.role for each in (await documents(rows, who, limit=100)).items}
        followed = await followed_by(rows, who)
        for world in worlds:
            role, id = world.role_of(who), world.document.id
            seen.add(role)
            assert listed.get(id) == role
            assert (await document(rows, who, id) is not None) == (role is not None)
            assert (id in followed) == (role is not None)
            assert (await readers_of(rows, [id], []))[id].include(who) == (role is not None)
    assert seen == {"owner", "editor", "commenter", "viewer", None}


async def test_what_leaving_means_shows_no_titles_that_the_reader_may_not_see(
    database: Database, rows: PooledReadStore
) -> None:
    guest, lender = person(7), MEMBERS[0]  # the author of all events of the feed, and another member
    team = Team.found(id=UUID(int=0x7EA), name="A", slug="crew", owner_id=FOUNDER.user_id, now=NOW, seats=9)
    for who in (guest, lender):
        add_member(team, user_id=who.user_id, address_id=address_of(who), role="editor", now=NOW)
    plan = Document.create(id=UUID(int=1), owner_kind="team", owner_id=team.id, title="A", content="", now=NOW)
    own, hidden = [
        Document.create(id=UUID(int=number), owner_id=who.user_id, title="A", content="", now=NOW)
        for number, who in ((2, guest), (3, lender))
    ]
    lend(own, team, "viewer", by=guest, now=NOW)
    lend(hidden, team, "viewer", by=lender, now=NOW)
    team.change_role(user_id=guest.user_id, role="guest", by=FOUNDER, now=NOW)
    account = User.register(id=lender.user_id, email="a@example.org", name="A", password_hash="-", now=NOW)
    suspension.request_deletion(account, now=NOW)
    async with projecting(
        read_models(), MemoryFeed(news(team, plan, own, hidden, account)), database.app_url
    ) as running:
        await running.reached()
    seen = [
        await leaving(rows, guest, team.id),
        await dissolving(rows, FOUNDER, team.id),
        await removing(rows, FOUNDER, team.id, lender.user_id),
    ]
    assert [[each.document_id for each in page.items] for page in seen if page is not None] == [
        [own.id],
        [plan.id, own.id],
        [],
    ]
    assert [page.counts for page in seen if page is not None] == [
        {"goes_back": 1, "stays": 1},
        {"ends": 1, "goes_back": 1},
        {},
    ]


async def test_loans_are_listed_and_what_a_member_lent_is_what_goes_back(
    database: Database, rows: PooledReadStore
) -> None:
    worlds = [World(number) for number in range(60)]
    feed = MemoryFeed(news(*(root for world in worlds for root in world.roots)))
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()
    live_and_over = set()
    for world in worlds:
        shown = await team_shares(rows, OWNER, world.document.id)
        assert shown is not None
        live = {team.id: lives(world.document, team) for team in world.teams if team.id in world.document.team_shares}
        assert {each.team_id: each.active for each in shown} == live
        assert {each.team_name is None for each in shown} == {not lasts for lasts in live.values()}
        live_and_over |= {*live.values()}
        for team in world.teams:
            found = await leaving(rows, OWNER, team.id)
            is_member = OWNER.user_id in team.members
            assert (found is not None) == is_member
            if found is not None:
                assert [each.document_id for each in found.items] == ([world.document.id] if live.get(team.id) else [])
                assert found.counts == ({"goes_back": 1} if live.get(team.id) else {})
    assert live_and_over == {True, False}
    assert any(role_by_team(team, who) is None for world in worlds for team in world.teams for who in MEMBERS)
