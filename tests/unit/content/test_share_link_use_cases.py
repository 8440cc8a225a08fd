"""Use cases of share links: what a link opens, for whom, and what ends that."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.content.document import (
    ChangeDocument,
    CreateDocument,
    LeaveDocument,
    RestoreVersion,
    RevokeShare,
    ShareDocument,
    TrashDocument,
    document_at_version,
)
from application.content.kept_document import EraseTrashedDocument
from application.content.link_guesses import LINK_GUESSES, TooManyGuesses
from application.content.share_link import (
    CreatedLink,
    CreateShareLink,
    OpenedDocument,
    OpenShareLink,
    RevokeShareLink,
)
from application.identity.suspension import RequestDeletion
from application.ports import Actor
from application.privacy.erasure import EraseDocument, EraseUser
from domain.access import RoleTooLow
from domain.content.filing import TRASH_LIFETIME
from domain.content.link_guest import LinkGuest
from domain.content.refusals import ShareLinkNotValid, WrongLinkPassword
from domain.content.roles import ShareRole
from domain.content.share_link import ShareLinks
from domain.kernel import NotFound
from tests.support.given import NOW
from tests.support.limits import link_guesses
from tests.support.use_cases import PASSWORD, CommandRunner

RIGHT, WRONG = "willow under glass", "willow over glass"


class World:
    """A document of Ada's, and a link to it."""

    def __init__(self, runner: CommandRunner, ada: Actor, bob: Actor, document_id: UUID) -> None:
        self.runner, self.ada, self.bob, self.id = runner, ada, bob, document_id

    async def link(self, role: ShareRole = "editor", **more: object) -> CreatedLink:
        return await self.runner.ask(CreateShareLink(id=self.id, role=role, **more), self.ada)  # type: ignore[arg-type]

    async def open(self, link: CreatedLink, password: str | None = None, by: Actor | None = None) -> OpenedDocument:
        return await self.runner.ask(OpenShareLink(token=link.token, password=password), by or self.bob)

    async def edit(self, by: Actor | None = None) -> None:
        change = ChangeDocument(id=self.id, title="Bob was here", content="", status="draft")
        await self.runner.ask(change, by or self.bob)

    async def may_edit(self) -> bool:
        try:
            await self.edit()
        except NotFound:
            return False
        return True


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    document = await runner.ask(CreateDocument(title="Notes"), ada)
    return World(runner, ada, bob, document.id)


async def test_a_user_who_opens_a_link_has_its_role_until_it_is_revoked(world: World) -> None:
    link = await world.link()
    assert not await world.may_edit()
    assert await world.open(link) == OpenedDocument(world.id, "editor")
    assert await world.may_edit()
    await world.runner.ask(RevokeShareLink(id=world.id, link_id=link.id), world.ada)
    assert not await world.may_edit()
    with pytest.raises(ShareLinkNotValid):
        await world.open(link)


async def test_a_guest_reads_versions_from_the_log_while_the_link_lives(world: World) -> None:
    soon = NOW + timedelta(hours=1)
    await world.open(await world.link("viewer", expires_at=soon))
    found = await document_at_version(world.runner.store, world.bob, world.id, 1, NOW)
    assert found.view.title == "Notes"
    with pytest.raises(NotFound):
        await document_at_version(world.runner.store, world.bob, world.id, 1, soon)


async def test_a_viewer_by_link_may_not_edit(world: World) -> None:
    await world.open(await world.link("viewer"))
    with pytest.raises(RoleTooLow):
        await world.edit()


async def test_a_link_that_has_ended_gives_nothing(world: World) -> None:
    link = await world.link(expires_at=NOW + timedelta(hours=1))
    await world.open(link)
    world.runner.now += timedelta(hours=1)
    assert not await world.may_edit()
    with pytest.raises(ShareLinkNotValid):
        await world.open(link)


async def test_only_the_digest_of_the_token_is_stored(world: World) -> None:
    link = await world.link(password=RIGHT)
    assert link.has_password
    assert link.token not in repr([vars(event) for event in world.runner.store.log])


async def test_the_uses_of_a_link_leave_the_document_and_the_link_as_they_are(world: World) -> None:
    link = await world.link()
    before = world.runner.happened()
    await world.open(link)
    await world.open(link)
    assert world.runner.happened()[len(before) :] == ["link_guest.joined"]


async def test_the_owner_stays_the_owner(world: World) -> None:
    link = await world.link("viewer")
    before = world.runner.happened()
    assert await world.open(link, by=world.ada) == OpenedDocument(world.id, "owner")
    assert world.runner.happened() == before


async def test_of_a_share_and_a_link_the_higher_role_counts(world: World) -> None:
    await world.runner.ask(ShareDocument(id=world.id, email="bob@example.org", role="commenter"), world.ada)
    assert (await world.open(await world.link("viewer"))).role == "commenter"
    assert (await world.open(await world.link("editor"))).role == "editor"
    assert await world.may_edit()


async def test_the_same_key_for_another_link_makes_another_token(world: World) -> None:
    """Keys are forgotten after some days; a revoked token must not come back to life."""
    links = []
    for _ in range(2):
        link = await world.link()
        await world.open(link)
        await world.runner.ask(RevokeShareLink(id=world.id, link_id=link.id), world.ada)
        links.append(link)
        world.runner.now += timedelta(days=4)
    assert len({link.token for link in links}) == len({link.id for link in links}) == 2


async def test_an_editor_by_link_restores_a_version_from_the_time_of_an_earlier_share(world: World) -> None:
    await world.runner.ask(ShareDocument(id=world.id, email="bob@example.org", role="editor"), world.ada)
    await world.edit()
    await world.runner.ask(RevokeShare(id=world.id, email="bob@example.org"), world.ada)
    await world.open(await world.link("editor"))
    change = ChangeDocument(id=world.id, title="Third", content="", status="draft")
    await world.runner.ask(change, world.ada)
    restored = await world.runner.ask(RestoreVersion(id=world.id, version=2), world.bob)
    assert restored.title == "Bob was here"


async def test_links_are_erased_with_a_document_from_the_trash(world: World) -> None:
    await world.open(await world.link(password=RIGHT), RIGHT)
    await world.runner.ask(TrashDocument(id=world.id), world.ada)
    world.runner.now += TRASH_LIFETIME
    await world.runner.send(EraseTrashedDocument(id=world.id), None)
    assert world.runner.happened()[-3:] == ["document.erased", "share_links.revoked", "share_links.erased"]


async def test_to_open_without_a_password_is_no_guess(world: World) -> None:
    world.runner.ports["guesses"] = world.runner.bus._ports["guesses"] = link_guesses(scale=1)
    link = await world.link(password=RIGHT)
    for _ in range(LINK_GUESSES[0] + 1):
        with pytest.raises(WrongLinkPassword):
            await world.open(link)
    assert await world.open(link, RIGHT) == OpenedDocument(world.id, "editor")


async def test_a_password_is_asked_for_and_guesses_are_limited(world: World) -> None:
    world.runner.ports["guesses"] = world.runner.bus._ports["guesses"] = link_guesses(scale=1)
    link = await world.link(password=RIGHT)
    for password in [WRONG] * LINK_GUESSES[0]:
        await world.open(link, RIGHT)
        with pytest.raises(WrongLinkPassword):
            await world.open(link, password)
    with pytest.raises(TooManyGuesses):
        await world.open(link, RIGHT)


@pytest.mark.parametrize("token", ["", "A" * 64, "?"])
async def test_another_text_opens_nothing(world: World, token: str) -> None:
    await world.link()
    with pytest.raises(ShareLinkNotValid):
        await world.runner.ask(OpenShareLink(token=token), world.bob)


async def test_a_document_in_the_trash_or_of_a_suspended_account_is_opened_by_no_link(world: World) -> None:
    link = await world.link()
    await world.open(link)
    await world.runner.ask(TrashDocument(id=world.id), world.ada)
    with pytest.raises(ShareLinkNotValid):
        await world.open(link)
    await world.runner.ask(RequestDeletion(password=PASSWORD), world.ada)
    assert not await world.may_edit()
    with pytest.raises(ShareLinkNotValid):
        await world.open(link)


async def test_a_guest_can_leave_and_come_again(world: World) -> None:
    link = await world.link()
    await world.open(link)
    await world.runner.ask(LeaveDocument(id=world.id), world.bob)
    assert not await world.may_edit()
    await world.open(link)
    assert await world.may_edit()


async def test_only_the_owner_revokes_a_link(world: World) -> None:
    link = await world.link()
    await world.open(link)
    with pytest.raises(RoleTooLow):
        await world.runner.ask(RevokeShareLink(id=world.id, link_id=link.id), world.bob)


async def test_a_link_that_is_not_there_is_revoked_without_an_event(world: World) -> None:
    for _ in range(2):
        before = world.runner.happened()
        await world.runner.ask(RevokeShareLink(id=world.id, link_id=world.id), world.ada)
        assert world.runner.happened() == before
        await world.link()


@pytest.mark.parametrize("by", [EraseDocument, EraseUser])
async def test_the_links_of_a_document_are_erased_with_it(
    world: World, by: type[EraseDocument] | type[EraseUser]
) -> None:
    await world.open(await world.link(password=RIGHT), RIGHT)
    await world.runner.ask(by(id=world.id if by is EraseDocument else world.ada.user_id))
    links = await world.runner.store.load(ShareLinks, ShareLinks.id_of(world.id))
    assert links is not None
    assert (links.erased, links.links) == (True, {})
    assert not await world.may_edit()
    guest = await world.runner.store.load(LinkGuest, LinkGuest.id_of(world.id, world.bob.user_id))
    assert guest is not None
