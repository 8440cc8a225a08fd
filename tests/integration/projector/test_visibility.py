"""Visibility in SQL equals the domain's rules: after random histories, for every person, through every query."""

import random
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor
from domain.access import DOCUMENT, TEAM, RoleTooLow
from domain.content import sharing
from domain.content.document import Document
from domain.content.roles import Role as DocumentRole
from domain.content.team_roles import role_by_team
from domain.identity import suspension
from domain.identity.user import User
from domain.kernel import Party, Refusal
from domain.teams import dissolution
from domain.teams.roles import Role
from domain.teams.team import Team
from infra.bootstrap.projections import prepare_tables
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.content.document import DocumentFilter, document, documents
from projections.content.document_access import shares
from projections.content.document_version import versions
from projections.kernel import read_models
from projections.teams.team import team, teams
from projections.teams.team_roster import members
from projections.visibility import followed_by, own_of, readers_of
from tests.support.access_steps import step_of_document, step_of_team
from tests.support.given import NOW, address_of, person
from tests.support.projecting import EventsOf, MemoryFeed, news, projecting
from tests.support.servers import Database
from tests.support.stores import rows as execute

HISTORIES = 30
STEPS = 80
LATER = NOW + timedelta(days=30)
"""When every invitation has expired."""

ROW = """
INSERT INTO read.team_roster (team_id, user_id, role, joined_at, joined_version, position)
VALUES (%s, %s, 'editor', now(), 1, 1)
RETURNING 1
"""

PEOPLE = [person(number) for number in range(1, 6)]
MOVED = [person(number, address=address) for number, address in ((1, 6), (2, 7), (3, 2), (9, 3))]
"""Two people who changed to new addresses, and a person and a stranger who now hold former addresses of others."""
READERS = [*PEOPLE, *MOVED, *(person(number, address=0) for number in (1, 2, 9)), person(9)]
"""The people, also without a verified address and after changes of address, and a stranger."""


def random_documents() -> list[Document]:
    """Documents of several owners, after random steps."""
    found = []
    for number in range(HISTORIES):
        pick = random.Random(number)
        owner = pick.choice(PEOPLE)
        one = Document.create(id=UUID(int=100 + number), owner_id=owner.user_id, title="A", content="", now=NOW)
        for _ in range(pick.randrange(STEPS)):
            step_of_document(one, [owner, Actor(owner.user_id), *PEOPLE, *MOVED], pick.choice)
        found.append(one)
    return found


def document_of_a_team() -> Document:
    """A shared document of a team whose id is that of a user: only the kind tells them apart."""
    team = Party("team", PEOPLE[0].user_id)
    texts = {"title": "A", "title_length": 1, "content": "", "content_length": 0}
    one = Document.start_stream(
        Document.Created, id=UUID(int=99), tenant=team, now=NOW, owner_kind=team.kind, owner_id=team.id, **texts
    )
    share = {"address_id": PEOPLE[1].address_id, "email": "a@example.org", "role": "viewer"}
    one.trigger_event(Document.Shared, now=NOW, **share)
    return one


def documents_of(teams_: list[Team]) -> list[Document]:
    """A document of each team, after random steps of its members and others."""
    found = []
    for number, team_ in enumerate(teams_):
        pick = random.Random(number)
        owner = Actor(UUID(int=0), lent={team_.id: "owner"})
        one = Document.create(
            id=UUID(int=300 + number), owner_kind="team", owner_id=team_.id, title="A", content="", now=NOW
        )
        for _ in range(pick.randrange(STEPS)):
            people = [replace(each, lent={team_.id: "owner"}) for each in PEOPLE]
            step_of_document(one, [owner, *people, *PEOPLE, *MOVED], pick.choice)
        found.append(one)
    return found


def role_by_teams(one: Document, reader: Actor, teams_: list[Team]) -> DocumentRole | None:
    """The reader's role on a document by the team that owns it."""
    owners = [team_ for team_ in teams_ if Party("team", team_.id) == one.owner]
    return next((role_by_team(team_, reader) for team_ in owners), None)


def role_on(one: Document, reader: Actor, teams_: list[Team]) -> DocumentRole | None:
    """The reader's highest role on a document."""
    lent = role_by_teams(one, reader, teams_)
    return one.role_of(reader if lent is None else replace(reader, lent={one.owner_id: lent}))


def random_teams() -> list[Team]:
    """Teams of several founders, after random steps."""
    found = []
    for number in range(HISTORIES):
        pick = random.Random(number)
        owner = pick.choice(PEOPLE)
        one = Team.found(id=UUID(int=200 + number), name="A", slug=f"a-{number}", owner_id=owner.user_id, now=NOW)
        for _ in range(pick.randrange(STEPS)):
            step_of_team(one, [owner, *PEOPLE, *MOVED], pick.choice)
        if number % 5 == 0:
            with suppress(Refusal):
                dissolution.request(one, by=owner, now=NOW)
        found.append(one)
    return found


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


async def may_list_shares(rows: PooledReadStore, reader: Actor, one: Document) -> bool:
    """Whether the reader gets the shares. Where they do not, the document exists for them or it does not."""
    try:
        return await shares(rows, EventsOf(one), reader, one.id) is not None
    except RoleTooLow:
        assert await document(rows, reader, one.id) is not None
        return False


async def check_document(rows: PooledReadStore, one: Document, reader: Actor, role: DocumentRole | None) -> None:
    """Compare what the queries show of a document with the reader's role."""
    may_read, may_manage = role is not None and DOCUMENT.allows("read", role), DOCUMENT.allows("list_shares", role)
    unused = one.unused_share_of(reader) is not None
    for query in (document, partial(versions, now=NOW)):
        found = await query(rows, reader, one.id)
        assert (found is not None) == may_read
        assert (found is not None and found.causes is not None) == unused
    assert await may_list_shares(rows, reader, one) == may_manage
    listed = await documents(rows, reader, DocumentFilter(trashed=one.trashed_at is not None), limit=100, counted=True)
    assert listed.total == len(listed.items)
    assert [each.role for each in listed.items if each.id == one.id] == ([role] if may_read else [])
    audience = (await readers_of(rows, [one.id], []))[one.id]
    assert audience.include(reader) == may_read
    assert audience.include(reader, managers=True) == may_manage


async def roles_shown(rows: PooledReadStore, reader: Actor, one: Team) -> dict[UUID, Role] | None:
    """The members of a team and their roles, as the reader sees them. A guest learns that it has some."""
    try:
        found = await members(rows, reader, one.id)
    except RoleTooLow:
        assert one.members[reader.user_id] == "guest"
        return None
    return None if found is None else {each.user_id: each.role for each in found}


async def check_team(rows: PooledReadStore, one: Team, reader: Actor, now: datetime) -> None:
    """Compare what the queries show of a team with the reader's role."""
    role = one.role_of(reader, now)
    is_member, may_follow = TEAM.allows("leave", role), TEAM.allows("list_members", role)
    assert (await team(rows, reader, one.id, now) is not None) == TEAM.allows("read", role)
    assert await roles_shown(rows, reader, one) == (one.members if may_follow else None)
    listed = await teams(rows, reader, now, limit=100)
    assert (one.id in {each.id for each in listed.items}) == (is_member and one.dissolved_at is None)
    audience = (await readers_of(rows, [], [one.id]))[one.id]
    assert audience.include(reader) == may_follow
    assert audience.include(reader, managers=True) == TEAM.allows("list_invitations", role)


async def test_after_any_history_each_person_sees_what_their_role_allows(
    database: Database, rows: PooledReadStore
) -> None:
    all_teams = random_teams()
    all_documents = [document_of_a_team(), *random_documents(), *documents_of(all_teams)]
    async with projecting(read_models(), MemoryFeed(news(*all_documents, *all_teams)), database.app_url) as running:
        await running.reached()
    for reader in READERS:
        roles = {one.id: role_on(one, reader, all_teams) for one in all_documents}
        for one in all_documents:
            await check_document(rows, one, reader, roles[one.id])
        for other in all_teams:
            for now in (NOW, LATER):
                await check_team(rows, other, reader, now)
        readable = [id for id, role in roles.items() if role is not None]
        joined = [one.id for one in all_teams if TEAM.allows("list_members", one.role_of(reader, NOW))]
        assert set(await followed_by(rows, reader)) == {*own_of(reader), *readable, *joined}


async def test_documents_of_an_account_that_waits_for_its_deletion_are_shown_to_no_others(
    database: Database, rows: PooledReadStore
) -> None:
    owner, editor = PEOPLE[0], PEOPLE[1]
    user = User.register(id=owner.user_id, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    one = Document.create(id=UUID(int=50), owner_id=owner.user_id, title="A", content="", now=NOW)
    sharing.share(one, address_id=address_of(editor), email="bob@example.org", role="editor", by=owner, now=NOW)
    team = document_of_a_team()
    feed = MemoryFeed(news(user, one, team))
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()
        assert await shown(rows, editor, one, team) == ([True] * 5, {one.id, team.id})
        user.collect_events()
        suspension.request_deletion(user, now=NOW)
        feed.add(news(user))
        await running.reached()
        assert await shown(rows, editor, one, team) == ([False] * 5, {team.id})
        assert (await shown(rows, owner, one, team))[0][:1] == [True]
        user.collect_events()
        suspension.withdraw_deletion(user, now=NOW)
        feed.add(news(user))
        await running.reached()
        assert await shown(rows, editor, one, team) == ([True] * 5, {one.id, team.id})


async def test_an_erasure_in_steps_shows_no_hidden_document_again(database: Database, rows: PooledReadStore) -> None:
    owner, editor = PEOPLE[0], PEOPLE[1]
    user = User.register(id=owner.user_id, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    one = Document.create(id=UUID(int=50), owner_id=owner.user_id, title="A", content="", now=NOW)
    sharing.share(one, address_id=address_of(editor), email="bob@example.org", role="editor", by=owner, now=NOW)
    suspension.request_deletion(user, now=NOW)
    user.deactivate(now=NOW)
    async with projecting(read_models(), MemoryFeed(news(user, one)), database.app_url) as running:
        await running.reached()
        assert await shown(rows, editor, one, one) == ([False] * 5, set())


async def shown(rows: PooledReadStore, reader: Actor, one: Document, other: Document) -> tuple[list[bool], set[UUID]]:
    """Whether each query shows `one` to the reader, and which of the two documents the list has."""
    listed = await documents(rows, reader)
    audience = await readers_of(rows, [one.id], [])
    found = [
        await document(rows, reader, one.id) is not None,
        await versions(rows, reader, one.id, now=NOW) is not None,
        one.id in {each.id for each in listed.items},
        one.id in await followed_by(rows, reader),
        one.id in audience and audience[one.id].include(reader),
    ]
    return found, {each.id for each in listed.items} & {one.id, other.id}


async def test_a_team_whose_owner_is_not_shown_has_no_managers(database: Database, rows: PooledReadStore) -> None:
    await prepare_tables(database.app_url, read_models())
    execute(database.app_url, ROW, UUID(int=7), PEOPLE[0].user_id)
    audience = (await readers_of(rows, [], [UUID(int=7)]))[UUID(int=7)]
    assert audience.include(PEOPLE[0])
    assert not audience.include(PEOPLE[0], managers=True)


def test_the_histories_give_roles_by_teams_by_shares_and_by_both() -> None:
    teams_ = random_teams()
    found = [(one, who) for one in documents_of(teams_) for who in READERS]
    assert {role_on(one, who, teams_) for one, who in found} == {*DOCUMENT.roles, None}
    by_both = [(one, who) for one, who in found if one.role_of(who) and role_by_teams(one, who, teams_)]
    assert {one.role_of(who) == role_on(one, who, teams_) for one, who in by_both} == {True, False}
    assert {role_by_teams(one, who, teams_) == role_on(one, who, teams_) for one, who in by_both} == {True, False}
    assert any(team_.dissolution_due and not team_.dissolved_at for team_ in teams_)


def test_the_histories_give_every_role_and_expired_invitations() -> None:
    documents_, teams_ = random_documents(), random_teams()
    assert {one.role_of(who) for one in documents_ for who in READERS} == {*DOCUMENT.roles, None}
    assert {one.role_of(who, NOW) for one in teams_ for who in READERS} == {*TEAM.roles, None}
    assert any(one.trashed_at for one in documents_)
    assert any(one.role_of(who) for one in documents_ for who in MOVED if who.user_id in one.share_users.values())
    assert any(len({*one.share_users.values()}) < len(one.share_users) for one in documents_), "several of one user"
    heirs = [(one, who) for one in documents_ for who in READERS if who.address_id in one.share_users]
    assert any(one.role_of(who) is None for one, who in heirs), "the address of a bound share"
    addresses = {who.user_id: who.address_id for who in PEOPLE}
    assert any(addresses.get(one.owner_id) in one.shares for one in documents_), "shared before the owner verified it"
    assert any(one.transferred_at for one in documents_)
    assert any(one.dissolved_at for one in teams_)
    assert any(until < LATER for one in teams_ for until in one.invited_until.values())
