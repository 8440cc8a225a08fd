"""Erasures: what belongs to a user, an address or a team goes with it, and a damaged stream stops none of them."""

from uuid import UUID

import pytest

from application.billing.subscription import ChangePlan
from application.content.document import BindShare, CreateDocument, DuplicateDocument, ShareDocument
from application.content.folder import CreateFolder
from application.generation.generation import RequestGeneration
from application.identity.account import OpenAccount
from application.ports import Actor
from application.privacy import erasing
from application.privacy.erasing import ErasureStep
from application.privacy.erasure import (
    CarryOutDissolution,
    EraseAddress,
    EraseDocument,
    EraseTeam,
    EraseUser,
)
from application.teams.dissolution import DissolveTeam
from application.teams.invitation import AcceptInvitation, InviteMember
from application.teams.team import FoundTeam
from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.content.folder import FolderTree
from domain.generation.generation import Generation
from domain.generation.placement import Placement
from domain.identity.user import User
from domain.kernel import NotFound, Party, Root
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.team import Team
from infra.sealing.blind_index import BlindIndex
from tests.support.crew import open_crew
from tests.support.given import NOW
from tests.support.stores import CALL
from tests.support.use_cases import CommandRunner

ADA, BOB = "ada@example.org", "bob@example.org"
NOTHING = ErasureStep(0, complete=True, unread=[])


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


async def written(runner: CommandRunner, owner: Actor, *, shared_with: str | None = None) -> UUID:
    """A new document of the user."""
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), owner)
    if shared_with is not None:
        await runner.ask(ShareDocument(id=document.id, email=shared_with, role="viewer"), owner)
    return document.id


async def founded(runner: CommandRunner, owner: Actor, member: Actor | None = None, email: str = BOB) -> UUID:
    """A new team of the user, with a paid plan and a document."""
    team = await runner.ask(FoundTeam(name="Crew", slug=f"crew-{len(runner.store.log)}"), owner)
    if member is not None:
        await runner.ask(InviteMember(id=team.id, email=email), owner)
        await runner.ask(AcceptInvitation(id=team.id), member)
    plan = await runner.store.load(Subscription, Subscription.id_of(Party("team", team.id)))
    assert plan is not None
    plan.change_plan("pro", now=NOW)
    document = Document.start_stream(
        Document.Created,
        id=document_of(team.id),
        tenant=Party("team", team.id),
        now=NOW,
        title="Plan",
        title_length=4,
        content="",
        content_length=0,
        owner_kind="team",
        owner_id=team.id,
    )
    await put(runner, plan, document)
    return team.id


def document_of(team_id: UUID) -> UUID:
    return UUID(int=team_id.int + 2**64)


async def put(runner: CommandRunner, *roots: Root) -> None:
    await runner.store.append(roots, CALL, None)


async def erased(runner: CommandRunner, kind: type[Root], id: UUID) -> bool:
    """Whether the stream is erased, also where it cannot be read."""
    root = await runner.store.shell(kind, id)
    assert root is not None
    return root.erased


async def plan_of(runner: CommandRunner, payer: Party) -> str:
    plan = await runner.store.load(Subscription, Subscription.id_of(payer))
    assert plan is not None
    return plan.plan


async def team_of(runner: CommandRunner, id: UUID) -> Team:
    team = await runner.store.load(Team, id)
    assert team is not None
    return team


async def shares_of(runner: CommandRunner, id: UUID) -> int:
    document = await runner.store.load(Document, id)
    assert document is not None
    return len(document.shares)


async def test_a_user_ends_with_their_documents_their_plan_and_their_memberships(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    await runner.ask(ChangePlan(plan="pro"), bob)
    own, others, team = await written(runner, bob), await written(runner, ada), await founded(runner, ada, bob)
    step = await runner.ask(EraseUser(id=bob.user_id))
    assert (step.complete, step.unread) == (True, [])
    assert await erased(runner, User, bob.user_id)
    assert await erased(runner, Document, own)
    assert not await erased(runner, Document, others)
    assert await plan_of(runner, Party("user", bob.user_id)) == "free"
    assert (await team_of(runner, team)).members == {ada.user_id: "owner"}
    assert await plan_of(runner, Party("team", team)) == "pro"
    assert await runner.ask(EraseUser(id=bob.user_id)) == NOTHING


async def test_a_user_loses_the_shares_that_they_have_used_and_those_of_their_address(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    former = "former@example.org"
    used, unused = await written(runner, ada, shared_with=former), await written(runner, ada, shared_with=BOB)
    await runner.ask(BindShare(id=used), Actor(bob.user_id, BlindIndex(bytes(32)).address_id(former)))
    await runner.ask(EraseUser(id=bob.user_id))
    assert [await shares_of(runner, id) for id in (used, unused)] == [0, 0]


async def test_a_team_that_ends_with_its_last_member_takes_its_documents_and_its_plan_along(
    runner: CommandRunner,
) -> None:
    ada = await runner.actor(ADA)
    team = await founded(runner, ada)
    assert (await runner.ask(EraseUser(id=ada.user_id))).complete
    assert await erased(runner, Team, team)
    assert await erased(runner, Document, document_of(team))
    assert await plan_of(runner, Party("team", team)) == "free"


async def test_a_team_ends_with_its_documents_its_plan_its_members_and_its_invitations(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    team, own = await founded(runner, ada), await written(runner, ada)
    await runner.ask(InviteMember(id=team, email=BOB), ada)
    assert (await runner.ask(EraseTeam(id=team))).complete
    after = await team_of(runner, team)
    assert (after.members, after.invited, after.erased) == ({}, {}, True)
    assert await erased(runner, Document, document_of(team))
    assert not await erased(runner, Document, own)
    assert await plan_of(runner, Party("team", team)) == "free"
    assert await plan_of(runner, Party("user", ada.user_id)) == "free"
    assert await runner.ask(EraseTeam(id=team)) == NOTHING


async def test_an_address_loses_its_shares_and_invitations_and_its_account_stays(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    shared, team = await written(runner, ada, shared_with=BOB), await founded(runner, ada)
    await runner.ask(InviteMember(id=team, email=BOB), ada)
    assert bob.address_id is not None
    step = await runner.ask(EraseAddress(id=bob.address_id))
    assert (step.complete, step.unread) == (True, [])
    assert await shares_of(runner, shared) == 0
    assert (await team_of(runner, team)).invited == {}
    assert not await erased(runner, User, bob.user_id)
    assert runner.happened()[-1] == "address.erased"


async def test_an_address_is_erased_again_each_time_since_it_may_have_been_used(runner: CommandRunner) -> None:
    address_id = UUID(int=9)
    for topic in ("address.erased", "address.erased_again", "address.erased_again"):
        assert (await runner.ask(EraseAddress(id=address_id))).changed == 1
        assert runner.happened()[-1] == topic


async def test_what_read_models_have_left_out_is_erased_too(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    own, shared, team = await written(runner, bob), await written(runner, ada), await founded(runner, ada)
    for id in (shared, team):
        runner.holdings.quarantine(id)
    runner.holdings.quarantine(own, whole=True)
    await runner.ask(ShareDocument(id=shared, email=BOB, role="viewer"), ada)
    await runner.ask(InviteMember(id=team, email=BOB), ada)
    await runner.ask(EraseUser(id=bob.user_id))
    assert await erased(runner, Document, own)
    assert await shares_of(runner, shared) == 0
    assert (await team_of(runner, team)).invited == {}


async def test_a_damaged_stream_stops_no_erasure_and_is_reported(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    own, foreign = await written(runner, bob), await written(runner, ada)
    runner.store.unreadable = {foreign}
    runner.holdings.quarantine(foreign)
    step = await runner.ask(EraseUser(id=bob.user_id))
    assert (step.complete, step.unread) == (True, [foreign])
    assert await erased(runner, User, bob.user_id)
    assert await erased(runner, Document, own)
    assert bob.address_id is not None
    assert (await runner.ask(EraseAddress(id=bob.address_id))).unread == [foreign]
    assert (await runner.ask(EraseTeam(id=await founded(runner, ada)))).unread == [foreign]


@pytest.mark.parametrize("kind", [User, Document, Team])
async def test_a_damaged_stream_can_itself_be_erased_and_is_then_reported_no_more(
    runner: CommandRunner, kind: type[Root]
) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    commands: dict[type[Root], EraseUser | EraseDocument | EraseTeam] = {
        User: EraseUser(id=bob.user_id),
        Document: EraseDocument(id=await written(runner, bob, shared_with=ADA)),
        Team: EraseTeam(id=await founded(runner, bob, ada, ADA)),
    }
    command = commands[kind]
    runner.store.unreadable = {command.id}
    runner.holdings.quarantine(command.id)
    assert (await runner.ask(command)).complete
    assert await erased(runner, kind, command.id)
    assert await runner.ask(command) == NOTHING
    assert (await runner.ask(EraseUser(id=ada.user_id))).unread == []


async def test_with_a_damaged_user_all_that_is_known_of_them_is_erased(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    own, team = await written(runner, bob), await founded(runner, ada, bob)
    shared = await written(runner, ada, shared_with=BOB)
    runner.store.unreadable = {bob.user_id}
    step = await runner.ask(EraseUser(id=bob.user_id))
    assert (step.complete, step.unread) == (True, [bob.user_id])
    assert await erased(runner, Document, own)
    assert (await team_of(runner, team)).members == {ada.user_id: "owner"}
    assert await shares_of(runner, shared) == 1


async def test_the_id_of_a_damaged_stream_of_another_kind_is_not_found(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    document = await written(runner, ada)
    runner.store.unreadable = {document}
    for command in (EraseUser(id=document), EraseTeam(id=document)):
        with pytest.raises(NotFound):
            await runner.ask(command)


async def test_a_damaged_address_is_erased(runner: CommandRunner) -> None:
    address_id = UUID(int=9)
    await runner.ask(EraseAddress(id=address_id))
    runner.store.unreadable = {address_id}
    assert (await runner.ask(EraseAddress(id=address_id))).unread == []
    assert runner.happened()[-1] == "address.erased_again"


@pytest.mark.parametrize(("bound", "most"), [("MAX_EVENTS", 2), ("MAX_CHARACTERS", 1)])
async def test_an_erasure_in_steps_closes_the_account_first_and_erases_it_last(
    runner: CommandRunner, bound: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"application.privacy.erasing.{bound}", most)
    ada = await runner.actor(ADA)
    team = await founded(runner, ada)
    for _ in range(4):
        await written(runner, ada)
    steps = [await runner.ask(EraseUser(id=ada.user_id))]
    user = await runner.store.load(User, ada.user_id)
    assert user is not None
    assert (steps[0].complete, user.active, user.erased) == (False, False, False)
    while not steps[-1].complete:
        steps.append(await runner.ask(EraseUser(id=ada.user_id)))
    assert 3 <= len(steps) <= 6
    assert runner.happened()[-1] == "user.erased"
    assert await erased(runner, Team, team)


@pytest.mark.parametrize("command", [EraseUser, EraseDocument, EraseTeam])
async def test_what_does_not_exist_cannot_be_erased(
    runner: CommandRunner, command: type[EraseUser | EraseDocument | EraseTeam]
) -> None:
    with pytest.raises(NotFound):
        await runner.ask(command(id=UUID(int=9)))


async def test_the_shares_of_an_address_that_was_not_verified_stay(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    await runner.ask(OpenAccount(id=UUID(int=9), email=BOB, name="Bob", password_hash="hash"))
    shared = await written(runner, ada, shared_with=BOB)
    await runner.ask(EraseUser(id=UUID(int=9)))
    assert await shares_of(runner, shared) == 1


async def test_a_dissolution_takes_the_documents_and_folders_along_and_is_complete_in_steps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crew = await open_crew()
    runner, owner = crew.runner, crew.people["owner"]
    ids = [(await crew.write()).id for _ in range(3)]
    own = (await runner.ask(CreateDocument(title="Own"), owner)).id
    await runner.ask(CreateFolder(name="Rivers", team_id=crew.id), owner)
    await runner.ask(DissolveTeam(id=crew.id), owner)
    assert await runner.ask(CarryOutDissolution(id=crew.id)) == ErasureStep(0, complete=True, unread=[])
    runner.now += DISSOLUTION_GRACE
    monkeypatch.setattr(erasing, "MAX_EVENTS", 2)
    steps: list[ErasureStep] = []
    while not steps or not steps[-1].complete:
        steps.append(await runner.ask(CarryOutDissolution(id=crew.id)))
        first = await runner.store.load(Team, crew.id)
        assert first is not None
        assert first.dissolved_at is not None, "access ends with the first step"
    assert len(steps) > 1
    assert [await erased(runner, Document, id) for id in (*ids, own)] == [True] * 3 + [False]
    assert await erased(runner, FolderTree, FolderTree.id_of(Party("team", crew.id)))
    plan = await runner.store.load(Subscription, Subscription.id_of(Party("team", crew.id)))
    assert plan is not None
    assert plan.plan == "free"
    assert await runner.ask(CarryOutDissolution(id=crew.id)) == ErasureStep(0, complete=True, unread=[])


async def test_documents_of_a_team_stay_when_a_member_who_wrote_them_is_erased() -> None:
    crew = await open_crew()
    id = (await crew.write("editor")).id
    await crew.runner.ask(EraseUser(id=crew.people["editor"].user_id))
    assert not await erased(crew.runner, Document, id)
    assert await crew.does("viewer", DuplicateDocument(id=id)) == "done"


async def asked_for(runner: CommandRunner, asker: Actor, document_id: UUID) -> UUID:
    """A generation that the user has asked for."""
    wish = RequestGeneration(document_id=document_id, prompt="Describe it.", variables={}, placement=Placement())
    return (await runner.ask(wish, asker)).id


async def test_a_user_takes_their_generations_along(runner: CommandRunner) -> None:
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    own = await asked_for(runner, ada, await written(runner, ada))
    foreign = await asked_for(runner, bob, await written(runner, bob))
    runner.holdings.quarantine(foreign, whole=True)
    assert (await runner.ask(EraseUser(id=ada.user_id))).complete
    assert [await erased(runner, Generation, id) for id in (own, foreign)] == [True, False]


async def test_a_document_takes_the_generations_for_it_along(runner: CommandRunner) -> None:
    ada = await runner.actor(ADA)
    one, two = await written(runner, ada), await written(runner, ada)
    gone, stays = await asked_for(runner, ada, one), await asked_for(runner, ada, two)
    runner.holdings.quarantine(stays)
    assert (await runner.ask(EraseDocument(id=one))).complete
    assert [await erased(runner, Generation, id) for id in (gone, stays)] == [True, False]


async def test_an_erasure_in_steps_takes_all_generations_for_a_document_along(
    runner: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasing, "MAX_EVENTS", 2)
    ada, bob = await runner.actor(ADA), await runner.actor(BOB)
    document = await written(runner, ada)
    await runner.ask(ShareDocument(id=document, email=BOB, role="editor"), ada)
    asked = [await asked_for(runner, bob, document) for _ in range(5)]
    steps = [await runner.ask(EraseUser(id=ada.user_id))]
    while not steps[-1].complete:
        steps.append(await runner.ask(EraseUser(id=ada.user_id)))
    assert len(steps) >= 3
    assert await erased(runner, Document, document)
    assert [await erased(runner, Generation, id) for id in asked] == [True] * 5
