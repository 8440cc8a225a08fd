"""A command that was judged by a role, and is appended after the end of that role: it must be refused."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from adapters.links import DerivedLinkTokens
from application.bus import Bus
from application.commands import Command
from application.content.document import ChangeDocument, CreateDocument
from application.content.lending import TakeDocumentBack
from application.content.publication import PublishDocument
from application.content.share_link import CreateShareLink, RevokeShareLink
from application.ports import Actor, CommandContext, Idempotency, StoredResponse, VersionConflict
from application.teams.team import ChangeMemberRole, LeaveTeam, RemoveMember, RenameTeam
from domain.access import RoleTooLow
from domain.content.document import Document
from domain.content.lending import lend
from domain.content.link_guest import LinkGuest
from domain.content.ownership import FormerOwner, accept, offer
from domain.content.share_link import ShareLinks
from domain.kernel import NotFound, Refusal, Root
from domain.teams.joining import add_member
from domain.teams.team import Team
from infra.bootstrap.write_side import utc_now
from infra.store.event_store import PostgresEventStore
from tests.support.given import NOW, address_of, person
from tests.support.http import SwiftPasswords
from tests.support.servers import Database
from tests.support.stores import CALL, SIGNING_KEY, Opened, open_store

ADA, BOB, EVE = person(1), person(2), person(3)
TEAM, NOTES, LENT, LINK = UUID(int=0x7EA), UUID(int=0xD0C), UUID(int=0xD0D), UUID(int=0x11)
GIVEN = UUID(int=0xD0E)


@pytest.fixture
async def opened(database: Database) -> AsyncIterator[Opened]:
    """A store with Ada's team, in which Eve lends a document to Bob, and he has another one by a link."""
    team = Team.found(id=TEAM, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    for who in (BOB, EVE):
        add_member(team, user_id=who.user_id, address_id=address_of(who), role="editor", now=NOW)
    documents = [
        Document.create(id=NOTES, owner_kind="team", owner_id=TEAM, title="Notes", content="", now=NOW),
        Document.create(id=LENT, owner_id=EVE.user_id, title="Lent", content="", now=NOW),
        linked := Document.create(id=LINK, owner_id=ADA.user_id, title="Linked", content="", now=NOW),
    ]
    given = Document.create(id=GIVEN, owner_id=BOB.user_id, title="Given", content="", now=NOW)
    offer(given, address_id=address_of(EVE), email="eve@example.org", by=BOB, now=NOW)
    lend(documents[1], team, "editor", by=Actor(EVE.user_id, EVE.address_id, {TEAM: "editor"}), now=NOW)
    links = ShareLinks.start(linked, now=NOW)
    link: dict[str, Any] = {"token_digest": "d" * 64, "password_hash": None, "expires_at": None}
    links.create(linked, link_id=LINK, role="editor", by=ADA, now=NOW, **link)
    guest = LinkGuest.join(document_id=linked.id, user_id=BOB.user_id, link_id=LINK, now=NOW)
    async with open_store(database.app_url) as opened:
        await opened.store.append([team, *documents, given, links, guest], CALL, None)
        yield opened


class Held:
    """An event store whose next append waits for `go`, after it has said so by `waits`."""

    def __init__(self, store: PostgresEventStore) -> None:
        self._store = store
        self.waits, self.go = asyncio.Event(), asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def append(
        self,
        changes: Sequence[Root],
        call: CommandContext,
        idempotency: Idempotency | None,
        judged_by: Mapping[UUID, int] | None = None,
    ) -> int | StoredResponse:
        self.waits.set()
        await self.go.wait()
        return await self._store.append(changes, call, idempotency, judged_by)


def bus_on(store: Any, opened: Opened) -> Bus:
    ports = {
        "clock": utc_now,
        "new_id": uuid7,
        "slugs": opened.blind,
        "passwords": SwiftPasswords(),
    }
    return Bus(store, {**ports, "links": DerivedLinkTokens([SIGNING_KEY])}, opened.blind)


def by(who: Any) -> CommandContext:
    return CommandContext(Actor(who.user_id, who.address_id), uuid7())


async def outcome(opened: Opened, work: Command[Any], meanwhile: Callable[[], Awaitable[object]]) -> Refusal | None:
    """Let Bob work, and something be acknowledged after he was judged and before his work is appended."""
    held = Held(opened.store)
    working = asyncio.create_task(bus_on(held, opened).send(work, by(BOB)))
    await held.waits.wait()
    await meanwhile()
    held.go.set()
    try:
        await working
    except Refusal as refusal:
        return refusal
    return None


@pytest.mark.parametrize(
    ("work", "change", "changer", "refusal"),
    [
        (ChangeDocument(id=NOTES, title="New"), RemoveMember(id=TEAM, user_id=BOB.user_id), ADA, NotFound),
        (ChangeDocument(id=NOTES, title="New"), ChangeMemberRole(id=TEAM, user_id=BOB.user_id, role="viewer"), ADA,
         RoleTooLow),
        (CreateDocument(title="New", team_id=TEAM), RemoveMember(id=TEAM, user_id=BOB.user_id), ADA, NotFound),
        (ChangeDocument(id=LENT, title="New"), RemoveMember(id=TEAM, user_id=BOB.user_id), ADA, NotFound),
        (ChangeDocument(id=LENT, title="New"), LeaveTeam(id=TEAM), EVE, NotFound),
        (ChangeDocument(id=LENT, title="New"), TakeDocumentBack(id=LENT, team_id=TEAM), EVE, NotFound),
        (ChangeDocument(id=LINK, title="New"), RevokeShareLink(id=LINK, link_id=LINK), ADA, NotFound),
    ],
)  # fmt: skip
async def test_work_that_comes_after_the_end_of_a_role_is_refused(
    opened: Opened, work: Command[Any], change: Command[Any], changer: Any, refusal: type[Refusal]
) -> None:
    assert type(await outcome(opened, work, lambda: bus_on(opened.store, opened).send(change, by(changer)))) is refusal
    for id in (NOTES, LENT, LINK):
        document = await opened.store.load(Document, id)
        assert document is not None
        assert document.title != "New"


@pytest.mark.parametrize("work", [CreateShareLink(id=GIVEN, role="editor"), PublishDocument(id=GIVEN)])
async def test_a_former_owner_makes_no_link_and_publishes_nothing(opened: Opened, work: Command[Any]) -> None:
    async def give_to_eve() -> None:
        given = await opened.store.load(Document, GIVEN)
        assert given is not None
        accept(given, None, FormerOwner(BOB.user_id, address_of(BOB), "bob@example.org"), by=EVE, now=NOW)
        await opened.store.append([given], CALL, None)

    assert type(await outcome(opened, work, give_to_eve)) is RoleTooLow


async def test_a_command_without_events_that_was_judged_too_early_names_who_lent_the_role(opened: Opened) -> None:
    kept = Idempotency(b"k" * 32, b"f" * 32, NOTES, NOTES, 1, NOW, None)
    with pytest.raises(VersionConflict) as conflict:
        await opened.store.append([], CALL, kept, {TEAM: 1})
    assert conflict.value.stream_ids == [TEAM]


async def test_another_change_of_the_team_only_delays_the_work(opened: Opened) -> None:
    work = ChangeDocument(id=NOTES, title="New")
    rename = RenameTeam(id=TEAM, name="Band")
    assert await outcome(opened, work, lambda: bus_on(opened.store, opened).send(rename, by(ADA))) is None
    document = await opened.store.load(Document, NOTES)
    assert document is not None
    assert document.title == "New"


async def test_work_and_the_end_of_its_role_in_one_batch_keep_their_order(opened: Opened) -> None:
    """Both are judged by the same state, and appended in the same event-loop iteration, the removal first."""
    team = await opened.store.load(Team, TEAM)
    notes = await opened.store.load(Document, NOTES)
    assert team is not None
    assert notes is not None
    judged_by = {TEAM: team.version}
    team.remove(user_id=BOB.user_id, by=ADA, now=NOW)
    editor = Actor(BOB.user_id, BOB.address_id, {TEAM: "editor"})
    notes.change(title="New", content="", status=notes.status, by=editor, now=NOW)
    removal, work = await asyncio.gather(
        opened.store.append([team], CALL, None),
        opened.store.append([notes], CALL, None, judged_by),
        return_exceptions=True,
    )
    assert isinstance(removal, int)
    assert "another append came first" in str(work)
