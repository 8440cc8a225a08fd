"""Use cases of teams: documents that are lent to them, offered to them, and what is left when a member leaves."""

from uuid import UUID

import pytest

from application.billing.subscription import ChangePlan
from application.content.document import ChangeDocument, CreateDocument, TrashDocument
from application.content.leaving import MAX_OFFERED, OfferLentDocuments
from application.content.lending import LendDocument, TakeDocumentBack
from application.content.ownership import AcceptDocument, DeclineDocument, OfferDocument, OfferDocumentToTeam
from application.ports import Actor
from application.privacy.erasure import EraseUser
from application.teams.invitation import AcceptInvitation, InviteMember
from application.teams.team import ChangeMemberRole, FoundTeam, LeaveTeam, RemoveMember
from domain.access import RoleTooLow
from domain.billing.subscription import QuotaExceeded, Subscription
from domain.content.document import Document
from domain.content.refusals import DocumentNotOffered, OfferedToOneself
from domain.kernel import NotFound, Party
from domain.teams.roles import InvitedRole
from tests.support.use_cases import CommandRunner


class World:
    """A team of Ada's with Bob, an editor, and Eve, a viewer; and a document of Bob's."""

    def __init__(self, runner: CommandRunner) -> None:
        self.runner = runner

    async def begin(self) -> None:
        self.ada, self.bob, self.eve = [
            await self.runner.actor(f"{name}@example.org") for name in ("ada", "bob", "eve")
        ]
        for who in (self.ada, self.bob):
            await self.runner.ask(ChangePlan(plan="pro"), who)
        self.team_id = (await self.runner.ask(FoundTeam(name="Crew", slug="crew"), self.ada)).id
        await self.join("bob", self.bob, "editor")
        await self.join("eve", self.eve, "viewer")
        self.id = await self.write(self.bob)

    async def join(self, name: str, who: Actor, role: InvitedRole) -> None:
        await self.runner.ask(InviteMember(id=self.team_id, email=f"{name}@example.org", role=role), self.ada)
        await self.runner.ask(AcceptInvitation(id=self.team_id), who)

    async def write(self, who: Actor) -> UUID:
        return (await self.runner.ask(CreateDocument(title="Notes", content=""), who)).id

    async def lend(self, role: str = "editor", id: UUID | None = None) -> None:
        await self.runner.ask(LendDocument(id=id or self.id, team_id=self.team_id, role=role), self.bob)  # type: ignore[arg-type]

    async def edit(self, by: Actor) -> None:
        await self.runner.ask(ChangeDocument(id=self.id, content=f"{len(self.runner.store.log)}"), by)

    async def offer(self) -> None:
        await self.runner.ask(OfferDocumentToTeam(id=self.id, team_id=self.team_id), self.bob)

    async def accept(self, by: Actor) -> None:
        await self.runner.ask(AcceptDocument(id=self.id), by)

    async def document(self, id: UUID | None = None) -> Document:
        found = await self.runner.store.load(Document, id or self.id)
        assert found is not None
        return found


@pytest.fixture
async def world() -> World:
    world = World(CommandRunner())
    await world.begin()
    return world


async def test_a_member_edits_what_is_lent_as_far_as_their_role_in_the_team_allows(world: World) -> None:
    with pytest.raises(NotFound):
        await world.edit(world.ada)
    await world.lend()
    await world.edit(world.ada)
    with pytest.raises(RoleTooLow):
        await world.edit(world.eve)
    with pytest.raises(RoleTooLow):
        await world.runner.ask(TrashDocument(id=world.id), world.ada)
    await world.lend("viewer")
    with pytest.raises(RoleTooLow):
        await world.edit(world.ada)
    await world.runner.ask(TakeDocumentBack(id=world.id, team_id=world.team_id), world.bob)
    with pytest.raises(NotFound):
        await world.edit(world.ada)


@pytest.mark.parametrize("ending", ["left", "removed", "erased"])
async def test_what_was_lent_goes_back_with_the_lender(world: World, ending: str) -> None:
    await world.lend()
    if ending == "left":
        await world.runner.ask(LeaveTeam(id=world.team_id), world.bob)
    elif ending == "removed":
        await world.runner.ask(RemoveMember(id=world.team_id, user_id=world.bob.user_id), world.ada)
    else:
        await world.runner.ask(EraseUser(id=world.bob.user_id))
    with pytest.raises(NotFound):
        await world.edit(world.ada)
    if ending != "erased":
        await world.edit(world.bob)
        await world.join("bob", world.bob, "editor")
        with pytest.raises(NotFound):
            await world.edit(world.ada)


async def test_a_member_who_becomes_a_guest_or_leaves_has_nothing_of_a_loan(world: World) -> None:
    await world.lend()
    eve = await world.document()
    assert eve.team_shares
    await world.runner.ask(ChangeMemberRole(id=world.team_id, user_id=world.eve.user_id, role="guest"), world.ada)
    with pytest.raises(NotFound):
        await world.edit(world.eve)


async def test_a_document_that_is_offered_to_a_team_becomes_the_teams(world: World) -> None:
    await world.offer()
    with pytest.raises(RoleTooLow):
        await world.accept(world.bob)
    await world.accept(world.ada)
    document = await world.document()
    assert document.owner == Party("team", world.team_id)
    await world.edit(world.bob)
    with pytest.raises(RoleTooLow):
        await world.edit(world.eve)
    assert [*document.share_users.values()] == [world.bob.user_id]
    await world.runner.ask(EraseUser(id=world.bob.user_id))
    assert not (await world.document()).erased


async def test_only_an_editor_offers_to_a_team_and_only_an_owner_or_admin_answers(world: World) -> None:
    eves = await world.write(world.eve)
    with pytest.raises(RoleTooLow):
        await world.runner.ask(OfferDocumentToTeam(id=eves, team_id=world.team_id), world.eve)
    await world.offer()
    stranger = await world.runner.actor("stranger@example.org")
    for who, refusal in ((world.eve, RoleTooLow), (stranger, NotFound)):
        with pytest.raises(refusal):
            await world.accept(who)
        with pytest.raises(refusal):
            await world.runner.ask(DeclineDocument(id=world.id), who)
    await world.runner.ask(DeclineDocument(id=world.id), world.ada)
    assert (await world.document()).owner == Party("user", world.bob.user_id)


async def test_a_teams_document_goes_to_a_person_and_leaves_no_share_behind(world: World) -> None:
    await world.offer()
    await world.accept(world.ada)
    with pytest.raises(OfferedToOneself):
        await world.runner.ask(OfferDocumentToTeam(id=world.id, team_id=world.team_id), world.ada)
    await world.runner.ask(OfferDocument(id=world.id, email="eve@example.org"), world.ada)
    await world.accept(world.eve)
    document = await world.document()
    assert document.owner == Party("user", world.eve.user_id)
    assert [*document.share_users.values()] == [world.bob.user_id]


async def test_an_admin_who_was_removed_gives_away_no_document_of_the_team(world: World) -> None:
    await world.offer()
    await world.accept(world.ada)
    await world.runner.ask(ChangeMemberRole(id=world.team_id, user_id=world.bob.user_id, role="admin"), world.ada)
    await world.runner.ask(OfferDocument(id=world.id, email="eve@example.org"), world.bob)
    await world.runner.ask(RemoveMember(id=world.team_id, user_id=world.bob.user_id), world.ada)
    with pytest.raises(DocumentNotOffered):
        await world.accept(world.eve)


async def test_who_is_no_member_cannot_tell_a_team_from_none(world: World) -> None:
    stranger = await world.runner.actor("stranger@example.org")
    own = await world.write(stranger)
    texts = set()
    for team_id in (world.team_id, UUID(int=0xDEAD)):
        with pytest.raises(NotFound) as refused:
            await world.runner.ask(OfferDocumentToTeam(id=own, team_id=team_id), stranger)
        texts.add(str(refused.value))
    assert len(texts) == 1


async def test_a_team_whose_quota_is_full_gets_no_document(world: World) -> None:
    subscription = await world.runner.store.load(Subscription, Subscription.id_of(Party("team", world.team_id)))
    assert subscription is not None
    subscription.cancel(now=world.runner.now)
    for number in range(5):
        subscription.use(UUID(int=number), now=world.runner.now)
    await world.runner.store.append([subscription], world.runner.call, None)
    await world.offer()
    with pytest.raises(QuotaExceeded):
        await world.accept(world.ada)
    assert (await world.document()).owner == Party("user", world.bob.user_id)


async def test_a_leaving_member_offers_what_they_lent_and_the_team_accepts_it_later(world: World) -> None:
    other, trashed, own = [await world.write(world.bob) for _ in range(3)]
    for id in (world.id, other, trashed):
        await world.lend(id=id)
    await world.runner.ask(TrashDocument(id=trashed), world.bob)
    command = OfferLentDocuments(team_id=world.team_id)
    assert (await world.runner.ask(command, world.bob)).offered == 2
    assert (await world.runner.ask(command, world.bob)).offered == 0
    assert (await world.document(own)).offered_team_id is None
    await world.runner.ask(LeaveTeam(id=world.team_id), world.bob)
    await world.accept(world.ada)
    assert (await world.document()).owner == Party("team", world.team_id)
    await world.edit(world.bob)


async def test_a_person_with_many_loans_offers_them_in_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.content.leaving.MAX_OFFERED", 2)
    for id in [world.id, *[await world.write(world.bob) for _ in range(2)]]:
        await world.lend(id=id)
    command = OfferLentDocuments(team_id=world.team_id)
    steps = [await world.runner.ask(command, world.bob) for _ in range(3)]
    assert [(step.offered, step.more) for step in steps] == [(2, True), (1, False), (0, False)]
    assert MAX_OFFERED == 100


async def test_loans_with_much_text_are_offered_in_steps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("application.content.leaving.MAX_CHARACTERS", 2)
    for _ in range(3):
        made = await world.runner.ask(CreateDocument(title="Long", content="x"), world.bob)
        await world.lend(id=made.id)
    command = OfferLentDocuments(team_id=world.team_id)
    steps = [await world.runner.ask(command, world.bob) for _ in range(3)]
    assert [(step.offered, step.more) for step in steps] == [(2, True), (1, False), (0, False)]
