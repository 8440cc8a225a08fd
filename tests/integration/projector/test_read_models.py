"""The queries of read models: who sees what, in which order, page by page."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from application.billing.subscription import subscription_view
from application.commands import ReadResult
from application.content.document import BindShare, document_view
from application.identity.user import user_view
from application.ports import Actor
from application.teams.team import team_view
from domain.access import RoleTooLow
from domain.billing.subscription import Subscription
from domain.content import sharing
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Party, Root
from domain.teams import dissolution, invitations
from domain.teams.team import Team
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.billing.subscription import subscription
from projections.content import document_access
from projections.content.document import DocumentFilter, DocumentSummary, Sort, document, documents
from projections.content.document_version import versions
from projections.identity.user import user
from projections.kernel import read_models
from projections.page import BadCursor, write_cursor
from projections.teams.team import team
from projections.teams.team_deadline import due_teams
from projections.teams.team_roster import members
from tests.support.projecting import EventsOf, MemoryFeed, news, projecting
from tests.support.servers import Database

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
OWNER, READER, STRANGER = (Actor(UUID(int=number), UUID(int=100 + number)) for number in (1, 2, 3))
SORTS: list[Sort] = ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


async def shown(database: Database, *roots: Root) -> None:
    """Project the aggregates' news."""
    feed = MemoryFeed(news(*roots))
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()


def written(number: int, owner: Actor = OWNER, title: str = "Title", minutes: int = 0) -> Document:
    """A document, so many minutes after noon."""
    now = NOW + timedelta(minutes=minutes)
    return Document.create(id=UUID(int=number), owner_id=owner.user_id, title=title, content="text", now=now)


def shared(one: Document, reader: Actor = READER) -> Document:
    """The document, shared with the reader."""
    assert reader.address_id is not None
    owner = Actor(one.owner_id, UUID(int=100 + one.owner_id.int))
    sharing.share(
        one, address_id=reader.address_id, email="reader@example.org", role="editor", by=owner, now=one.modified_on
    )
    return one


async def test_a_document_is_read_by_its_owner_and_those_it_is_shared_with(
    database: Database, rows: PooledReadStore
) -> None:
    one = shared(written(10))
    await shown(database, one)
    assert await document(rows, OWNER, one.id) == ReadResult(document_view(one), None)
    assert await document(rows, READER, one.id) == ReadResult(document_view(one), BindShare(id=one.id))
    assert await document(rows, STRANGER, one.id) is None
    assert await document(rows, Actor(READER.user_id), one.id) is None, "the address is not verified"
    assert await document(rows, OWNER, UUID(int=11)) is None


async def test_a_revoked_share_is_no_share(database: Database, rows: PooledReadStore) -> None:
    one = shared(written(10))
    sharing.revoke_share(one, address_id=UUID(int=102), by=OWNER, now=NOW)
    await shown(database, one)
    assert await document(rows, READER, one.id) is None
    assert (await documents(rows, READER)).items == []
    assert await document_access.shares(rows, EventsOf(one), OWNER, one.id) == []
    assert await document_access.shares(rows, EventsOf(one), READER, one.id) is None


async def test_shares_are_listed_by_address(database: Database, rows: PooledReadStore) -> None:
    one = written(10)
    for number, email in ((5, "b@example.org"), (6, "a@example.org")):
        sharing.share(one, address_id=UUID(int=number), email=email, role="viewer", by=OWNER, now=NOW)
    await shown(database, one)
    found = await document_access.shares(rows, EventsOf(one), OWNER, one.id)
    assert found is not None
    assert [share.email for share in found] == ["a@example.org", "b@example.org"]


async def test_shares_are_listed_for_the_owner_alone(database: Database, rows: PooledReadStore) -> None:
    one = shared(written(10))
    await shown(database, one)
    with pytest.raises(RoleTooLow):
        await document_access.shares(rows, EventsOf(one), READER, one.id)
    assert await document_access.shares(rows, EventsOf(one), STRANGER, one.id) is None


async def test_a_read_binds_a_share_until_the_share_is_shown_as_used(database: Database, rows: PooledReadStore) -> None:
    unused, used = shared(written(10)), shared(written(11))
    sharing.bind_share(used, by=READER, now=NOW)
    await shown(database, unused, used)
    for one, causes in ((unused, BindShare(id=unused.id)), (used, None)):
        for query in (document, partial(versions, now=NOW)):
            found = await query(rows, READER, one.id)
            assert found is not None
            assert found.causes == causes
        listed = await document_access.shares(rows, EventsOf(one), OWNER, one.id)
        assert listed is not None
        assert [share.used for share in listed] == [one is used]


async def test_a_document_with_two_shares_of_one_user_is_listed_once_with_the_highest_role(
    database: Database, rows: PooledReadStore
) -> None:
    one = shared(written(10))
    sharing.bind_share(one, by=READER, now=NOW)
    moved = Actor(READER.user_id, UUID(int=105))
    sharing.share(one, address_id=UUID(int=105), email="c@example.org", role="viewer", by=OWNER, now=NOW)
    await shown(database, one)
    assert [each.role for each in (await documents(rows, moved)).items] == ["editor"]


async def collected(rows: PooledReadStore, actor: Actor, sort: Sort, limit: int) -> list[DocumentSummary]:
    """All pages of a list."""
    found: list[DocumentSummary] = []
    cursor: str | None = None
    while True:
        page = await documents(rows, actor, sort=sort, cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_show_every_document_once_in_order(database: Database, rows: PooledReadStore, sort: Sort) -> None:
    dice = random.Random(sort)
    mine = [written(n, READER, dice.choice(["A", "b", "é", "ZZ"]), dice.randrange(5)) for n in range(10, 30)]
    theirs = [shared(written(n, OWNER, dice.choice(["A", "c"]), dice.randrange(5))) for n in range(30, 50)]
    hidden = [written(n, OWNER) for n in range(50, 55)]
    for one in dice.sample(mine, 8):
        one.change(title=one.title, content="new", status="draft", by=READER, now=NOW + timedelta(hours=1))
    await shown(database, *mine, *theirs, *hidden)
    at_once = (await documents(rows, READER, sort=sort, limit=100)).items
    assert await collected(rows, READER, sort, 7) == at_once
    assert {one.id for one in at_once} == {one.id for one in mine + theirs}
    assert {(one.role, one.owner_id) for one in at_once} == {("owner", READER.user_id), ("editor", OWNER.user_id)}
    column = sort.lstrip("-")
    if column != "title":  # titles sort as the database's language has it
        values = [(getattr(one, column), one.id) for one in at_once]
        assert values == sorted(values, reverse=sort.startswith("-"))


async def test_lists_can_be_narrowed_to_a_status_and_to_the_trash(database: Database, rows: PooledReadStore) -> None:
    draft, published, trashed = written(10), written(11), written(12)
    published.change(title="Title", content="text", status="published", by=OWNER, now=NOW)
    trashed.trash(by=OWNER, now=NOW)
    await shown(database, draft, published, trashed)
    assert {one.id for one in (await documents(rows, OWNER)).items} == {draft.id, published.id}
    assert [one.id for one in (await documents(rows, OWNER, DocumentFilter(status="published"))).items] == [
        published.id
    ]
    assert [one.id for one in (await documents(rows, OWNER, DocumentFilter(trashed=True))).items] == [trashed.id]


@pytest.mark.parametrize(
    "cursor",
    [
        "rubbish",
        write_cursor(["-title", "A", str(UUID(int=1))]),
        write_cursor(["-created_at", "A", str(UUID(int=1))]),
        write_cursor(["-created_at", "2026-11-22 12:00:00", str(UUID(int=1))]),
        write_cursor(["-created_at", str(NOW), "1"]),
        write_cursor(["-created_at", str(NOW), str(UUID(int=1)), 1]),
    ],
)
async def test_a_cursor_of_another_list_is_refused(database: Database, rows: PooledReadStore, cursor: str) -> None:
    await shown(database, written(10))
    with pytest.raises(BadCursor):
        await documents(rows, OWNER, cursor=cursor)


async def test_versions_come_latest_first_page_by_page(database: Database, rows: PooledReadStore) -> None:
    one = written(10)
    for n in range(5):
        one.change(title=f"Title {n}", content="text", status="draft", by=OWNER, now=NOW)
    await shown(database, one)
    first = await versions(rows, OWNER, one.id, limit=4, now=NOW)
    assert first is not None
    rest = await versions(rows, OWNER, one.id, limit=4, cursor=first.view.next, now=NOW)
    assert rest is not None
    assert [(each.version, each.title) for each in first.view.items + rest.view.items] == [
        *[(n + 2, f"Title {n}") for n in range(4, -1, -1)],
        (1, "Title"),
    ]
    assert rest.view.next is None
    for cursor in ("rubbish", write_cursor(["1"]), write_cursor([1, 2])):
        with pytest.raises(BadCursor):
            await versions(rows, OWNER, one.id, cursor=cursor, now=NOW)
    latest = await versions(rows, OWNER, one.id, cursor=write_cursor([2**63 - 1]), now=NOW)
    assert latest is not None
    assert latest.view.items[0].version == 6
    assert await versions(rows, STRANGER, one.id, now=NOW) is None


async def test_users_and_subscriptions_are_read_as_they_are(database: Database, rows: PooledReadStore) -> None:
    ada = User.register(id=UUID(int=1), email="ada@example.org", name="Ada", password_hash="x", now=NOW)
    gone = User.register(id=UUID(int=2), email="gone@example.org", name="Gone", password_hash="x", now=NOW)
    gone.deactivate(now=NOW)
    plan = Subscription.start(payer=Party("user", ada.id), now=NOW)
    plan.use(UUID(int=10), now=NOW)
    await shown(database, ada, gone, plan)
    assert await user(rows, EventsOf(ada), ada.id) == user_view(ada)
    assert await user(rows, EventsOf(gone), gone.id) is None
    for now in (NOW, NOW + timedelta(days=30)):
        assert await subscription(rows, Party("user", ada.id), now) == subscription_view(plan, now)
    assert await subscription(rows, Party("user", gone.id), NOW) is None


async def test_a_team_is_read_by_its_members_and_those_it_invites(database: Database, rows: PooledReadStore) -> None:
    one = Team.found(id=UUID(int=1), name="Otters", slug="otters", owner_id=OWNER.user_id, now=NOW)
    for number, address in ((2, UUID(int=102)), (4, UUID(int=104))):
        invitations.invite(one, address_id=address, email=f"{number}@example.org", role="editor", by=OWNER, now=NOW)
    await shown(database, one)
    assert await team(rows, OWNER, one.id, NOW) == team_view(one, NOW)
    assert await team(rows, READER, one.id, NOW) == team_view(one, NOW)
    assert await team(rows, STRANGER, one.id, NOW) is None
    later = NOW + timedelta(days=20)
    assert await team(rows, OWNER, one.id, later) == team_view(one, later), "invitations have expired"
    assert [member.role for member in await members(rows, OWNER, one.id) or []] == ["owner"]
    assert await members(rows, READER, one.id) is None, "not a member yet"
    assert await team(rows, READER, one.id, later) is None, "L2: an expired invitation showed the team"


async def test_a_dissolution_is_due_until_the_team_has_no_documents_left(
    database: Database, rows: PooledReadStore
) -> None:
    due, kept, gone, bare = [
        Team.found(id=UUID(int=number), name="Otters", slug=f"otters-{number}", owner_id=OWNER.user_id, now=NOW)
        for number in range(1, 5)
    ]
    texts = {"title": "Plan", "content": ""}
    left = [
        Document.create(id=UUID(int=10 + one.id.int), owner_kind="team", owner_id=one.id, now=NOW, **texts)
        for one in (kept, gone)
    ]
    later = NOW + dissolution.DISSOLUTION_GRACE
    for one in (due, gone, bare):
        dissolution.request(one, by=OWNER, now=NOW)
    for one in (gone, bare):
        dissolution.carry_out(one, now=later)
    await shown(database, due, kept, gone, bare, *left)
    assert await due_teams(rows, NOW, None) == [gone.id]
    assert await due_teams(rows, later, None) == [due.id, gone.id]
    assert await due_teams(rows, later, due.id) == [gone.id]
