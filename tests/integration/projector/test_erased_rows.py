"""Rows of what was erased: dropped by the event, live and in a rebuild, although the rebuild can read no word of it."""

from collections.abc import Awaitable
from uuid import UUID, uuid4

from application.ports import Actor, ReadStore
from domain.content import sharing
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.identity.user import User
from domain.teams import invitations
from domain.teams.erasure import erase_team
from domain.teams.team import Team
from infra.postgres.read_store import PooledReadStore
from infra.projector.rebuild.rebuild import rebuild
from projections.content.document import document as read_document
from projections.content.document_version import versions
from projections.kernel import read_models
from projections.teams.team import team as read_team
from projections.teams.team_roster import members
from tests.support.given import NOW, address_of, person
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import CALL, open_store, rows

OWNER, READER = person(1), person(2)
TABLES = ("document", "document_version", "document_access", "user_profile", "team", "team_roster", "team_invitation")


def left(database: Database) -> dict[str, int]:
    """The number of rows, by table."""
    return {table: rows(database.admin_url, f"SELECT count(*) FROM read.{table}")[0][0] for table in TABLES}


async def test_h7_an_erasure_leaves_no_row_and_a_rebuild_makes_none(database: Database) -> None:
    document = Document.create(id=uuid4(), owner_id=OWNER.user_id, title="A", content="one", now=NOW)
    sharing.share(document, address_id=UUID(int=9), email="a@example.org", role="viewer", by=OWNER, now=NOW)
    document.change(title="B", content="two", status="draft", by=OWNER, now=NOW)
    user = User.register(id=uuid4(), email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    team = Team.found(id=uuid4(), name="Crew", slug="crew", owner_id=OWNER.user_id, now=NOW)
    invitations.invite(team, address_id=UUID(int=9), email="a@example.org", role="editor", by=OWNER, now=NOW)
    models = [model for model in read_models() if model.name in (*TABLES, "subscription")]
    async with open_store(database.app_url) as opened:
        async with projecting(models, opened.feed(), database.app_url) as running:
            await opened.store.append([document, user, team], CALL, None)
            await running.reached()
            assert all(left(database).values())
            erase_document(document, now=NOW)
            user.erase(now=NOW)
            erase_team(team, now=NOW)
            await opened.store.append([document, user, team], CALL, None)
            await running.reached()
        assert left(database) == dict.fromkeys(TABLES, 0)
        for model in models:
            done = await rebuild(model, opened.feed(), database.app_url)
            assert (done.rows_after, done.differing, done.quarantined) == (0, 0, 0), model.name


async def test_what_was_erased_without_its_state_is_read_by_no_person(database: Database) -> None:
    """Then no event ends the memberships and shares: their rows stay, with ids only."""
    document = Document.create(id=uuid4(), owner_id=OWNER.user_id, title="A", content="one", now=NOW)
    sharing.share(document, address_id=address_of(READER), email="a@example.org", role="viewer", by=OWNER, now=NOW)
    team = Team.found(id=uuid4(), name="Crew", slug="crew", owner_id=OWNER.user_id, now=NOW)
    invitations.invite(team, address_id=address_of(READER), email="a@example.org", role="editor", by=OWNER, now=NOW)
    models = [model for model in read_models() if model.name in (*TABLES, "subscription")]
    async with open_store(database.app_url) as opened:
        async with projecting(models, opened.feed(), database.app_url) as running:
            await opened.store.append([document, team], CALL, None)
            await running.reached()
            reads = PooledReadStore(opened.database)
            assert all([await each for each in readings(reads, OWNER, document.id, team.id)])
            for root in (document, team):
                shell = await opened.store.shell(type(root), root.id)
                assert shell is not None
                shell.erase_unread(now=NOW)
                await opened.store.append([shell], CALL, None)
            await running.reached()
            for who in (OWNER, READER):
                assert not any([await each for each in readings(reads, who, document.id, team.id)])
        assert left(database) == {
            **dict.fromkeys(TABLES, 0),
            "document_access": 1,
            "team_roster": 1,
            "team_invitation": 1,
        }


def readings(reads: ReadStore, who: Actor, document_id: UUID, team_id: UUID) -> list[Awaitable[object]]:
    """What a person reads of the document and of the team."""
    return [
        read_document(reads, who, document_id),
        versions(reads, who, document_id, now=NOW),
        read_team(reads, who, team_id, NOW),
        members(reads, who, team_id),
    ]
