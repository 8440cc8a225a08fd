"""Lists of documents: filters, the number of all, names of owners. Every answer is what a plain search finds."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor
from domain.content import sharing
from domain.content.document import Document
from domain.content.filing import file, set_tags
from domain.content.star import Star
from domain.identity.user import User
from domain.kernel import Party
from domain.teams import invitations
from domain.teams.team import Team
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.content.document import ALL, DocumentFilter, documents
from projections.kernel import read_models
from tests.support.given import NOW, address_of, person
from tests.support.projecting import EventsOf, MemoryFeed, news, projecting
from tests.support.servers import Database

ADA, BOB = person(1), person(2)
LATER = NOW + timedelta(hours=1)
FOLDERS = [UUID(int=0xF1), UUID(int=0xF2)]


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


def written() -> list[Document]:
    """Documents of Ada, and two of Bob that he shares with her; with all tags, folders and states."""
    found = []
    for number in range(24):
        owner = BOB if number >= 22 else ADA
        one = Document.create(id=UUID(int=100 + number), owner_id=owner.user_id, title="A", content="", now=NOW)
        set_tags(one, [["otter"], ["otter", "heron"], []][number % 3], by=owner, now=NOW)
        file(one, [None, *FOLDERS][number % 3], by=owner, now=NOW)
        if number % 4 == 0:
            one.change(title="B", content="", status="published", by=owner, now=LATER)
        if number % 5 == 0:
            one.trash(by=owner, now=LATER)
        if owner == BOB:
            sharing.share(one, address_id=address_of(ADA), email="a@example.org", role="viewer", by=BOB, now=NOW)
        found.append(one)
    return found


def starred(one: Document) -> bool:
    """Whether Ada has set a star on it."""
    return one.id.int % 7 == 0


CASES: list[tuple[DocumentFilter, Callable[[Document], bool]]] = [
    (ALL, lambda one: True),
    (DocumentFilter(trashed=True), lambda one: True),
    (DocumentFilter(shared=True), lambda one: one.owner_id == BOB.user_id),
    (DocumentFilter(status="published"), lambda one: one.status == "published"),
    (DocumentFilter(updated_since=LATER), lambda one: one.saved_at >= LATER),
    (DocumentFilter(tag="heron"), lambda one: "heron" in one.tags),
    (DocumentFilter(tag="heron", shared=False), lambda one: "heron" in one.tags and one.owner_id == ADA.user_id),
    (DocumentFilter(tag="otter", shared=True), lambda one: "otter" in one.tags and one.owner_id == BOB.user_id),
    (DocumentFilter(owner_id=ADA.user_id), lambda one: one.owner_id == ADA.user_id),
    (DocumentFilter(team_id=ADA.user_id), lambda one: False),
    (DocumentFilter(starred=True), starred),
    (DocumentFilter(starred=False), lambda one: not starred(one)),
    (DocumentFilter(folder_ids=FOLDERS[:1]), lambda one: one.folder_id in FOLDERS[:1] and one.owner_id == ADA.user_id),
    (DocumentFilter(folder_ids=[]), lambda one: False),
    (DocumentFilter(shared=True, other_folder_ids=[]), lambda one: False),
    (
        DocumentFilter(other_folder_ids=FOLDERS[:1]),
        lambda one: one.folder_id not in FOLDERS[:1] and one.owner_id == ADA.user_id,
    ),
    (
        DocumentFilter(tag="otter", status="draft", starred=False),
        lambda one: "otter" in one.tags and one.status == "draft" and not starred(one),
    ),
]


@dataclass(frozen=True)
class Read:
    """What one person reads of a list."""

    ids: set[UUID]
    total: int | None


async def all_pages(rows: PooledReadStore, reader: Actor, wanted: DocumentFilter) -> Read:
    """Every page of a list, in steps of four."""
    ids: list[UUID] = []
    cursor: str | None = None
    while True:
        page = await documents(rows, reader, wanted, cursor=cursor, limit=4, counted=True)
        ids += [each.id for each in page.items]
        cursor = page.next
        if cursor is None:
            assert len(ids) == len(set(ids))
            return Read(set(ids), page.total)


async def test_a_filter_lists_what_it_says_and_counts_it(database: Database, rows: PooledReadStore) -> None:
    them = written()
    stars = [Star.place(user_id=ADA.user_id, document_id=one.id, now=NOW) for one in them if starred(one)]
    others = [Star.place(user_id=BOB.user_id, document_id=one.id, now=NOW) for one in them]
    async with projecting(read_models(), MemoryFeed(news(*them, *stars, *others)), database.app_url) as running:
        await running.reached()
    for wanted, fits in CASES:
        expected = {one.id for one in them if fits(one) and (one.trashed_at is not None) == wanted.trashed}
        assert await all_pages(rows, ADA, wanted) == Read(expected, len(expected)), wanted
    listed = await documents(rows, ADA, limit=100)
    assert {each.id for each in listed.items if each.starred} == {
        one.id for one in them if starred(one) and one.trashed_at is None
    }
    assert {tuple(each.tags) for each in listed.items} == {("otter",), ("heron", "otter"), ()}


async def test_the_names_of_owners_come_only_if_they_are_wanted(database: Database, rows: PooledReadStore) -> None:
    user = User.register(id=BOB.user_id, email="bob@example.org", name="Bob", password_hash="hash", now=NOW)
    registered = EventsOf(user)
    them = written()[20:]
    async with projecting(read_models(), MemoryFeed(news(user, *them)), database.app_url) as running:
        await running.reached()
    assert {each.owner_name for each in (await documents(rows, ADA)).items} == {None}
    named = await documents(rows, ADA, names=registered)
    assert {(each.owner_id, each.owner_name) for each in named.items} == {(ADA.user_id, None), (BOB.user_id, "Bob")}


async def test_a_closed_account_has_no_name(database: Database, rows: PooledReadStore) -> None:
    """An erasure closes it first, and takes its name in a later step."""
    user = User.register(id=BOB.user_id, email="bob@example.org", name="Bob", password_hash="hash", now=NOW)
    user.deactivate(now=NOW)
    registered = EventsOf(user)
    async with projecting(read_models(), MemoryFeed(news(user, *written()[22:])), database.app_url) as running:
        await running.reached()
    named = await documents(rows, BOB, names=registered)
    assert [each.owner_name for each in named.items] == [None, None]


async def test_a_tag_is_found_in_ones_own_documents_in_those_of_teams_and_in_shared_ones(
    database: Database, rows: PooledReadStore
) -> None:
    member, sharer, both = person(3), person(4), person(5)
    team = Team.found(id=UUID(int=0x7E), name="A", slug="otters", owner_id=BOB.user_id, now=NOW, seats=9)
    owners = [*(Party("user", each.user_id) for each in (ADA, BOB, member)), Party("team", team.id)]
    them = [
        Document.create(id=UUID(int=n), owner_id=owner.id, owner_kind=owner.kind, title=str(n), content="", now=NOW)
        for n, owner in enumerate(owners)
    ]
    for one in them:
        one.trigger_event(Document.Tagged, now=NOW, tags=["otter"])
    for who in (member, both):
        invitations.invite(team, address_id=address_of(who), email="a@example.org", role="viewer", by=BOB, now=NOW)
        invitations.accept(team, by=who, now=NOW)
    for who in (sharer, both):
        sharing.share(them[1], address_id=address_of(who), email="a@example.org", role="viewer", by=BOB, now=NOW)
    async with projecting(read_models(), MemoryFeed(news(team, *them)), database.app_url) as running:
        await running.reached()
    seen = [
        {each.title for each in (await documents(rows, who, DocumentFilter(tag="otter"))).items}
        for who in (ADA, member, sharer, both, person(6))
    ]
    assert seen == [{"0"}, {"2", "3"}, {"1"}, {"1", "3"}, set()]
