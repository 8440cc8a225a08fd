"""The contract of holdings: the fake of unit tests and the read models."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import pytest

from application.ports import Actor, EventStore, HeldStream, Holdings
from domain.content import ownership, sharing
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.content.lending import lend
from domain.content.ownership import FormerOwner
from domain.generation.placement import Placement
from domain.identity.user import User
from domain.kernel import Party
from domain.teams import invitations
from domain.teams.team import Team
from infra.bootstrap.lifetime import started
from infra.postgres.projector_connection import connect
from infra.postgres.read_store import PooledReadStore
from infra.projector.checkpoints import PROJECTIONS
from infra.projector.position_tracker import PositionTracker
from projections.kernel import Poison, read_models
from projections.privacy.holdings import ReadHoldings
from tests.support.given import NOW, address_of, person
from tests.support.lives.generation.generation import asked, river
from tests.support.memory_holdings import MemoryHoldings
from tests.support.memory_store import MemoryEventStore
from tests.support.projecting import projecting
from tests.support.servers import Database
from tests.support.stores import CALL, open_store

ADA, BOB, EVE = map(person, (1, 2, 3))
MODELS = [
    model
    for model in read_models()
    if model.name
    in {
        "access_request",
        "document",
        "generation",
        "document_version",
        "document_access",
        "document_ownership_offer",
        "document_team_share",
        "team",
        "team_roster",
        "team_invitation",
        "user_profile",
    }
]


@dataclass(frozen=True)
class Subject:
    """Holdings, and the store that they follow. `quarantine` puts a stream into quarantine in all read models."""

    store: EventStore
    holdings: Holdings
    quarantine: Callable[[UUID], Awaitable[None]]


@pytest.fixture(params=["memory", "postgres"])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    if request.param == "postgres":
        async for opened in on_postgres(request.getfixturevalue("database")):
            yield opened
        return
    store = MemoryEventStore()
    holdings = MemoryHoldings(store)

    async def quarantine(stream_id: UUID) -> None:
        holdings.quarantine(stream_id)

    yield Subject(store, holdings, quarantine)


async def on_postgres(database: Database) -> AsyncIterator[Subject]:
    url = database.app_url
    async with (
        open_store(url) as opened,
        projecting(MODELS, feed := opened.feed(), url) as running,
        started(PositionTracker(url)) as positions,
    ):

        async def quarantine(stream_id: UUID) -> None:
            await running.reached()
            async with await connect(url) as connection:
                for model in MODELS:
                    await PROJECTIONS.quarantine(connection, model.name, [Poison(stream_id, 1, "Test")])

        yield Subject(opened.store, ReadHoldings(PooledReadStore(opened.database), positions, feed.head), quarantine)


def document(owner: UUID = ADA.user_id) -> Document:
    return Document.create(id=uuid4(), owner_id=owner, title="A", content="", now=NOW)


def team(owner: UUID = ADA.user_id) -> Team:
    return Team.found(id=(id := uuid4()), name="Crew", slug=f"crew-{id.hex[:8]}", owner_id=owner, now=NOW)


def share(shared: Document) -> None:
    sharing.share(shared, address_id=address_of(BOB), email="bob@example.org", role="viewer", by=ADA, now=NOW)


def invite(inviting: Team) -> None:
    invitations.invite(inviting, address_id=address_of(BOB), email="bob@example.org", role="editor", by=ADA, now=NOW)


async def test_documents_are_listed_for_their_owner_until_they_are_erased(subject: Subject) -> None:
    own, gone = document(), document()
    erase_document(gone, now=NOW)
    await subject.store.append([own, gone, document(BOB.user_id)], CALL, None)
    assert await subject.holdings.documents_of(Party("user", ADA.user_id)) == [HeldStream(own.id, listed=True)]
    assert await subject.holdings.documents_of(Party("team", ADA.user_id)) == []


async def test_the_owner_of_a_document_is_the_last_one_whom_reads_show(subject: Subject) -> None:
    own, gone = document(), document()
    erase_document(gone, now=NOW)
    await subject.store.append([own, gone], CALL, None)
    assert await subject.holdings.owner_of(own.id) == Party("user", ADA.user_id)
    assert await subject.holdings.owner_of(gone.id) is None
    ownership.offer(own, address_id=address_of(BOB), email="bob@example.org", by=ADA, now=NOW)
    ownership.accept(own, None, FormerOwner(ADA.user_id, address_of(ADA), "ada@example.org"), by=BOB, now=NOW)
    await subject.store.append([own], CALL, None)
    assert await subject.holdings.owner_of(own.id) == Party("user", BOB.user_id)
    await subject.quarantine(own.id)
    assert await subject.holdings.owner_of(own.id) == Party("user", BOB.user_id)


async def test_teams_are_listed_for_their_members_and_for_the_addresses_that_they_invite(subject: Subject) -> None:
    crew = team()
    invite(crew)
    await subject.store.append([crew, team(BOB.user_id)], CALL, None)
    assert await subject.holdings.teams_of(ADA.user_id) == [HeldStream(crew.id, listed=True)]
    assert await subject.holdings.teams_inviting(address_of(BOB)) == [HeldStream(crew.id, listed=True)]
    assert await subject.holdings.teams_inviting(address_of(ADA)) == []


async def test_documents_are_listed_for_the_address_that_they_are_offered_to_and_for_their_new_owner(
    subject: Subject,
) -> None:
    offered = document()
    ownership.offer(offered, address_id=address_of(BOB), email="bob@example.org", by=ADA, now=NOW)
    await subject.store.append([offered, document(EVE.user_id)], CALL, None)
    assert await subject.holdings.documents_shared_with(address_of(BOB)) == [HeldStream(offered.id, listed=True)]
    former = FormerOwner(ADA.user_id, address_of(ADA), "ada@example.org")
    ownership.accept(offered, None, former, by=BOB, now=NOW)
    await subject.store.append([offered], CALL, None)
    assert await subject.holdings.documents_shared_with(address_of(BOB)) == []
    assert await subject.holdings.documents_of(Party("user", BOB.user_id)) == [HeldStream(offered.id, listed=True)]
    assert await subject.holdings.documents_of(Party("user", ADA.user_id)) == []
    assert await subject.holdings.documents_bound_to(ADA.user_id) == [HeldStream(offered.id, listed=True)]


async def test_only_what_can_be_offered_is_listed_as_lent_and_no_more_than_is_wanted(subject: Subject) -> None:
    crew, other = team(), team()
    open_ones, trashed, offered, elsewhere = [document(), document()], document(), document(), document()
    for each in (*open_ones, trashed, offered):
        lend(each, crew, "viewer", by=ADA, now=NOW)
    lend(elsewhere, other, "viewer", by=ADA, now=NOW)
    trashed.trash(by=ADA, now=NOW)
    ownership.offer_to_team(offered, crew, by=ADA, now=NOW)
    await subject.store.append([crew, other, *open_ones, trashed, offered, elsewhere], CALL, None)
    lent = partial(subject.holdings.documents_to_offer, ADA.user_id, crew.id)
    expected = [HeldStream(id, listed=True) for id in sorted(each.id for each in open_ones)]
    assert await lent(now=NOW, limit=9) == expected
    assert await lent(now=NOW, limit=1) == expected[:1]
    assert len(await lent(now=NOW + ownership.OFFER_LIFETIME, limit=9)) == 3
    assert await subject.holdings.documents_to_offer(BOB.user_id, crew.id, now=NOW, limit=9) == []


async def test_a_document_has_open_requests_until_they_are_withdrawn(subject: Subject) -> None:
    account = User.register(id=uuid4(), email=f"{uuid4()}@example.org", name="A", password_hash="-", now=NOW)
    asked = document()
    request = AccessRequest.ask(
        document_id=asked.id, role="viewer", message=None, by=Actor(account.id, account.id), now=NOW
    )
    await subject.store.append([account, asked, request], CALL, None)
    assert await subject.holdings.open_access_requests(asked.id) == [HeldStream(request.id, listed=True)]
    assert await subject.holdings.open_access_requests(uuid4()) == []
    request.withdraw(now=NOW)
    await subject.store.append([request], CALL, None)
    assert await subject.holdings.open_access_requests(asked.id) == []


async def test_shared_documents_are_listed_for_the_address_and_for_the_user_who_has_used_the_share(
    subject: Subject,
) -> None:
    shared = document()
    share(shared)
    await subject.store.append([shared, document()], CALL, None)
    assert await subject.holdings.documents_shared_with(address_of(BOB)) == [HeldStream(shared.id, listed=True)]
    assert await subject.holdings.documents_bound_to(BOB.user_id) == []
    sharing.bind_share(shared, by=BOB, now=NOW)
    await subject.store.append([shared], CALL, None)
    assert await subject.holdings.documents_bound_to(BOB.user_id) == [HeldStream(shared.id, listed=True)]


async def test_generations_are_listed_for_their_asker_and_their_document_until_they_are_erased(
    subject: Subject,
) -> None:
    waiting, gone = (asked(river(), Placement(), id=uuid4().int) for _ in range(2))
    gone.erase(now=NOW)
    await subject.store.append([waiting, gone], CALL, None)
    listed = [HeldStream(waiting.id, listed=True)]
    assert await subject.holdings.generations_of(waiting.asker_id) == listed
    assert await subject.holdings.generations_for(waiting.document_id) == listed
    assert await subject.holdings.generations_of(EVE.user_id) == []
    assert await subject.holdings.generations_for(EVE.user_id) == []


async def test_what_a_read_model_has_left_out_is_among_the_answers_for_every_person(subject: Subject) -> None:
    one, crew = document(), team()
    await subject.store.append([one, crew], CALL, None)
    for stream_id in (one.id, crew.id):
        await subject.quarantine(stream_id)
    share(one)
    invite(crew)
    await subject.store.append([one, crew], CALL, None)
    for who in (BOB, EVE):
        assert HeldStream(one.id, listed=False) in await subject.holdings.documents_of(Party("user", who.user_id))
        assert HeldStream(one.id, listed=False) in await subject.holdings.documents_bound_to(who.user_id)
        assert HeldStream(one.id, listed=False) in await subject.holdings.documents_shared_with(address_of(who))
        assert HeldStream(crew.id, listed=False) in await subject.holdings.teams_of(who.user_id)
        assert HeldStream(crew.id, listed=False) in await subject.holdings.teams_inviting(address_of(who))


async def test_what_was_left_out_later_stays_listed_as_reads_show_it(subject: Subject) -> None:
    one, crew = document(), team()
    await subject.store.append([one, crew], CALL, None)
    for stream_id in (one.id, crew.id):
        await subject.quarantine(stream_id)
    erase_document(one, now=NOW)
    await subject.store.append([one], CALL, None)
    assert HeldStream(one.id, listed=True) in await subject.holdings.documents_of(Party("user", ADA.user_id))
    assert HeldStream(crew.id, listed=True) in await subject.holdings.teams_of(ADA.user_id)


async def test_a_stream_with_a_skipped_event_is_among_the_answers(database: Database) -> None:
    async for subject in on_postgres(database):
        one = document()
        await subject.store.append([one], CALL, None)
        async with await connect(database.app_url) as connection:
            await PROJECTIONS.skip(connection, "document", 1, one.id)
        assert await subject.holdings.documents_of(Party("user", BOB.user_id)) == [HeldStream(one.id, listed=False)]


async def test_a_document_that_only_the_list_of_versions_has_left_out_is_among_the_answers(database: Database) -> None:
    """The row of an erased document is dropped then, but its titles are still in the list of versions."""
    async for subject in on_postgres(database):
        one = document()
        await subject.store.append([one], CALL, None)
        async with await connect(database.app_url) as connection:
            await PROJECTIONS.quarantine(connection, "document_version", [Poison(one.id, 1, "Test")])
        erase_document(one, now=NOW)
        await subject.store.append([one], CALL, None)
        held = await subject.holdings.documents_of(Party("user", ADA.user_id))
        assert HeldStream(one.id, listed=False) in held
