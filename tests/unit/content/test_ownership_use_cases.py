"""Use cases of the transfer of documents: quotas, mails, accounts that end, and what stays with the document."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.billing.subscription import ChangePlan
from application.content.document import (
    ChangeDocument,
    CreateDocument,
    DocumentView,
    LeaveDocument,
    ShareDocument,
    TrashDocument,
)
from application.content.filing import FileDocument
from application.content.folder import CreateFolder
from application.content.ownership import AcceptDocument, DeclineDocument, OfferDocument, WithdrawDocumentOffer
from application.content.publication import PublishDocument, WithdrawDocument
from application.content.share_link import CreateShareLink, OpenShareLink, RevokeShareLink
from application.identity.suspension import RequestDeletion
from application.ports import Actor
from application.privacy.erasure import EraseAddress, EraseUser
from domain.access import RoleTooLow
from domain.billing.subscription import QuotaExceeded, Subscription
from domain.content.document import Document
from domain.content.ownership import OFFER_LIFETIME
from domain.content.refusals import DocumentNotOffered
from domain.kernel import NotFound, Party
from tests.support.given import NOW
from tests.support.use_cases import PASSWORD, CommandRunner

ADAS, BOBS = "ada@example.org", "bob@example.org"


class World:
    """A document of Ada's, which is offered to Bob."""

    def __init__(self, runner: CommandRunner, ada: Actor, bob: Actor, id: UUID) -> None:
        self.runner, self.ada, self.bob, self.id = runner, ada, bob, id

    async def accept(self) -> DocumentView:
        return await self.runner.ask(AcceptDocument(id=self.id), self.bob)

    async def edit(self, by: Actor) -> None:
        await self.runner.ask(ChangeDocument(id=self.id, title="Changed", content="", status="draft"), by)

    async def document(self) -> Document:
        found = await self.runner.store.load(Document, self.id)
        assert found is not None
        return found

    async def counted(self, who: Actor) -> int:
        found = await self.runner.store.load(Subscription, Subscription.id_of(Party("user", who.user_id)))
        assert found is not None
        return found.documents_used(self.runner.now)


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    ada, bob = await runner.actor(ADAS), await runner.actor(BOBS)
    document = await runner.ask(CreateDocument(title="Notes", content="Otters."), ada)
    await runner.work()
    await runner.ask(OfferDocument(id=document.id, email=BOBS), ada)
    return World(runner, ada, bob, document.id)


async def test_an_offer_is_sent_to_its_address_with_the_id_of_the_document_only(world: World) -> None:
    [mail] = await world.runner.work()
    assert (mail.to, mail.template, mail.values) == (BOBS, "document_offer", {"token": str(world.id)})
    world.runner.see_again()
    again = [each for each in await world.runner.work() if each.template == "document_offer"]
    assert [each.message_id for each in again] == [mail.message_id]


@pytest.mark.parametrize("over", ["withdrawn", "expired", "trashed", "renewed"])
async def test_an_offer_that_is_over_is_not_sent(world: World, over: str) -> None:
    if over == "withdrawn":
        await world.runner.ask(WithdrawDocumentOffer(id=world.id), world.ada)
    elif over == "expired":
        world.runner.now += OFFER_LIFETIME
    elif over == "trashed":
        await world.runner.ask(TrashDocument(id=world.id), world.ada)
    else:
        world.runner.now += timedelta(minutes=1)
        await world.runner.ask(OfferDocument(id=world.id, email="eve@example.org"), world.ada)
    assert [mail.to for mail in await world.runner.work()] == (["eve@example.org"] if over == "renewed" else [])


async def test_an_accepted_document_is_the_new_owners_and_the_former_owner_edits_and_may_leave(world: World) -> None:
    before = await world.document()
    view = await world.accept()
    assert (view.owner_id, view.version, view.transferred_at) == (world.bob.user_id, 1, NOW)
    assert view.etag != f"{before.revision}"
    await world.edit(world.ada)
    with pytest.raises(RoleTooLow):
        await world.runner.ask(TrashDocument(id=world.id), world.ada)
    await world.runner.ask(LeaveDocument(id=world.id), world.ada)
    with pytest.raises(NotFound):
        await world.edit(world.ada)
    await world.edit(world.bob)


async def test_a_repeated_acceptance_answers_alike(world: World) -> None:
    first = await world.runner.send(AcceptDocument(id=world.id), world.bob, key="key")
    again = await world.runner.send(AcceptDocument(id=world.id), world.bob, key="key")
    assert (again.answer, again.replayed) == (first.answer, True)
    with pytest.raises(DocumentNotOffered):
        await world.accept()


async def test_a_declined_document_stays_where_it_is(world: World) -> None:
    await world.runner.ask(DeclineDocument(id=world.id), world.bob)
    assert (await world.document()).owner == Party("user", world.ada.user_id)
    with pytest.raises(NotFound):
        await world.accept()


async def test_the_document_counts_for_its_new_owner_only(world: World) -> None:
    assert (await world.counted(world.ada), await world.counted(world.bob)) == (1, 0)
    await world.accept()
    assert (await world.counted(world.ada), await world.counted(world.bob)) == (0, 1)


async def test_a_full_quota_refuses_the_document_and_loses_nothing(world: World) -> None:
    for _ in range(5):
        await world.runner.ask(CreateDocument(title="Mine"), world.bob)
    with pytest.raises(QuotaExceeded, match="change the plan"):
        await world.accept()
    assert (await world.document()).owner == Party("user", world.ada.user_id)
    assert (await world.counted(world.ada), await world.counted(world.bob)) == (1, 5)
    await world.runner.ask(ChangePlan(plan="pro"), world.bob)
    assert (await world.accept()).owner_id == world.bob.user_id


async def test_a_document_of_an_earlier_month_counts_when_it_is_accepted(world: World) -> None:
    world.runner.now = NOW + timedelta(days=10)  # another month
    await world.accept()
    assert (await world.counted(world.ada), await world.counted(world.bob)) == (0, 1)


async def test_it_is_out_of_all_folders_and_its_links_and_publication_are_the_new_owners(world: World) -> None:
    folder = await world.runner.ask(CreateFolder(name="Novels"), world.ada)
    await world.runner.ask(FileDocument(id=world.id, folder_id=folder.id), world.ada)
    link = await world.runner.ask(CreateShareLink(id=world.id, role="viewer"), world.ada)
    await world.runner.ask(PublishDocument(id=world.id), world.ada)
    await world.accept()
    assert (await world.document()).folder_id is None
    eve = await world.runner.actor("eve@example.org")
    assert (await world.runner.ask(OpenShareLink(token=link.token), eve)).role == "viewer"
    revoking, withdrawing = RevokeShareLink(id=world.id, link_id=link.id), WithdrawDocument(id=world.id)
    for command in (revoking, withdrawing):
        with pytest.raises(RoleTooLow):
            await world.runner.ask(command, world.ada)
        await world.runner.ask(command, world.bob)
    with pytest.raises(NotFound):
        await world.runner.ask(OpenShareLink(token=link.token), eve)


async def test_the_former_owners_account_no_longer_takes_the_document(world: World) -> None:
    link = await world.runner.ask(CreateShareLink(id=world.id, role="viewer"), world.ada)
    await world.accept()
    await world.runner.ask(RequestDeletion(password=PASSWORD), world.ada)
    await world.edit(world.bob)
    await world.runner.ask(RevokeShareLink(id=world.id, link_id=link.id), world.bob)
    await world.runner.ask(EraseUser(id=world.ada.user_id))
    document = await world.document()
    assert not document.erased
    assert (document.title, document.shares) == ("Changed", {})
    await world.edit(world.bob)


async def test_the_new_owners_account_takes_the_document(world: World) -> None:
    await world.accept()
    await world.runner.ask(RequestDeletion(password=PASSWORD), world.bob)
    with pytest.raises(NotFound):
        await world.edit(world.ada)
    await world.runner.ask(EraseUser(id=world.bob.user_id))
    assert (await world.document()).erased


async def test_an_owner_who_leaves_cannot_give_the_document_away(world: World) -> None:
    await world.runner.ask(RequestDeletion(password=PASSWORD), world.ada)
    with pytest.raises(NotFound):
        await world.accept()


async def test_an_erased_address_has_no_offers(world: World) -> None:
    await world.runner.ask(EraseAddress(id=world.runner.blind.address_id(BOBS)))
    with pytest.raises(NotFound):
        await world.accept()
    assert (await world.document()).offered_to is None


async def test_a_share_of_the_new_owner_ends(world: World) -> None:
    await world.runner.ask(ShareDocument(id=world.id, email=BOBS, role="viewer"), world.ada)
    await world.accept()
    assert world.runner.blind.address_id(BOBS) not in (await world.document()).shares
