"""What guests of share links see in SQL equals the domain's rules, after random histories."""

import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from psycopg_pool import AsyncConnectionPool

from application.ports import Actor
from domain.content import sharing
from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.share_link import ShareLinks
from domain.kernel import Root
from infra.postgres.database import Database as database_of
from infra.postgres.read_store import PooledReadStore
from projections.content.document import document, documents
from projections.content.share_link import share_links
from projections.kernel import read_models
from projections.visibility import followed_by, readers_of
from tests.support.given import NOW, address_of, person
from tests.support.projecting import MemoryFeed, news, projecting
from tests.support.servers import Database

OWNER, *GUESTS = (person(number) for number in range(1, 5))
OVER, LATER = datetime(2000, 1, 1, tzinfo=UTC), datetime(2999, 1, 1, tzinfo=UTC)
"""Ends of links, for the clock of the database."""
LINKS = [UUID(int=0x11_0000 + number) for number in range(4)]


class World:
    """One document with links, its guests, and shares."""

    def __init__(self, number: int) -> None:
        pick = random.Random(number)
        id = UUID(int=100 + number)
        self.document = Document.create(id=id, owner_id=OWNER.user_id, title="A", content="", now=NOW)
        self.links = ShareLinks.start(self.document, now=OVER)
        self.guests: dict[UUID, LinkGuest] = {}
        self.ids = [UUID(int=link.int + 16 * number) for link in LINKS]
        for link_id in self.ids:
            self.links.create(
                self.document,
                link_id=link_id,
                role=pick.choice(["editor", "commenter", "viewer"]),
                token_digest="d" * 64,
                password_hash=None,
                expires_at=pick.choice([None, OVER, LATER]),
                by=OWNER,
                now=OVER - timedelta(days=1),
            )
        for _ in range(pick.randrange(12)):
            self._step(pick)

    def _step(self, pick: random.Random) -> None:
        who, link_id = pick.choice(GUESTS), pick.choice(self.ids)
        guest = self.guests.get(who.user_id)
        match pick.choice(["join", "join", "join", "leave", "revoke", "share"]):
            case "join" if guest is None:
                self.guests[who.user_id] = LinkGuest.join(
                    document_id=self.document.id, user_id=who.user_id, link_id=link_id, now=NOW
                )
            case "join" if guest is not None:
                guest.join_again(link_id=link_id, now=NOW)
            case "leave" if guest is not None:
                guest.leave(now=NOW)
            case "revoke":
                self.links.revoke(self.document, link_id, by=OWNER, now=NOW)
            case "share":
                email = "a@example.org"
                sharing.share(
                    self.document, address_id=address_of(who), email=email, role="commenter", by=OWNER, now=NOW
                )

    def reader(self, who: Actor) -> Actor:
        """The person, with the role that links lend them."""
        guest = self.guests.get(who.user_id)
        role = None if guest is None else self.links.role_by(guest.link_ids, NOW)
        return Actor(who.user_id, who.address_id, {} if role is None else {self.document.id: role})

    @property
    def roots(self) -> list[Root]:
        """All aggregates, with their events."""
        return [self.document, self.links, *self.guests.values()]


@pytest.fixture
async def rows(database: Database) -> AsyncIterator[PooledReadStore]:
    """Rows of the test's database."""
    async with AsyncConnectionPool(database.app_url, min_size=1, max_size=4, kwargs={"autocommit": True}) as pool:
        yield PooledReadStore(database_of(pool))


async def test_guests_see_what_their_links_give_them(database: Database, rows: PooledReadStore) -> None:
    worlds = [World(number) for number in range(40)]
    feed = MemoryFeed(news(*(root for world in worlds for root in world.roots)))
    async with projecting(read_models(), feed, database.app_url) as running:
        await running.reached()
    seen = set()
    for who in GUESTS:
        listed = {each.id: each.role for each in (await documents(rows, who, limit=100)).items}
        followed = await followed_by(rows, who)
        for world in worlds:
            role, id = world.document.role_of(world.reader(who)), world.document.id
            seen.add(role)
            assert listed.get(id) == role
            assert (await document(rows, who, id) is not None) == (role is not None)
            assert (id in followed) == (role is not None)
            assert (await readers_of(rows, [id], []))[id].include(who) == (role is not None)
    assert seen == {"editor", "commenter", "viewer", None}
    for world in worlds:
        shown = await share_links(rows, OWNER, world.document.id)
        assert shown is not None
        assert {link.id: link.role for link in shown} == {id: link["role"] for id, link in world.links.links.items()}
