"""Access requests: asked, withdrawn, answered, and what they must not tell."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.content.access_request import (
    AcceptAccessRequest,
    AskForAccess,
    DeclineAccessRequest,
    WithdrawAccessRequest,
)
from application.content.document import ChangeDocument, CreateDocument, ShareDocument, TrashDocument
from application.content.kept_document import EraseTrashedDocument
from application.identity.suspension import RequestDeletion
from application.identity.user import Deactivate
from application.ports import Actor
from application.privacy.erasure import EraseUser
from domain.access import AddressNotVerified, RoleTooLow
from domain.content import sharing
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.content.filing import TRASH_LIFETIME
from domain.content.refusals import (
    AddressIsBound,
    DocumentIsTrashed,
    NoSuchAccessRequest,
    SharedWithOneself,
    TooManyShares,
)
from domain.content.roles import ShareRole
from domain.kernel import ERASED, NotFound
from domain.requests import ASK_AGAIN_AFTER, DeclinedRecently
from domain.text import MESSAGE_LENGTH, UnusableText
from tests.support.given import ID, NOW, address_of, bare, fact, given, new_events, person
from tests.support.use_cases import PASSWORD, CommandRunner

ADA, BOB, EVE = map(person, (1, 2, 3))
BOBS = "bob@example.org"
NOTHING = UUID(int=0xDEAD)
ASKED = fact(AccessRequest.Asked, document_id=ID, user_id=BOB.user_id, role="viewer", message="Please.")
CREATED = fact(
    Document.Created, title="T", title_length=1, content="", content_length=0, owner_kind="user", owner_id=ADA.user_id
)


def document(*past: object) -> Document:
    return given(Document, CREATED, *past)  # type: ignore[arg-type]


def accepted(to: Document, role: ShareRole | None = None, by: Actor = ADA) -> AccessRequest:
    """Bob's open request, accepted."""
    request = given(AccessRequest, ASKED)
    request.accept(to, address_id=address_of(BOB), email=BOBS, role=role, by=by, now=NOW)
    return request


def test_a_request_whose_share_was_revoked_is_not_accepted_again_without_being_asked() -> None:
    shared = document()
    request = accepted(shared)
    sharing.revoke_share(shared, address_id=address_of(BOB), by=ADA, now=NOW)
    with pytest.raises(NoSuchAccessRequest):
        request.accept(shared, address_id=address_of(BOB), email=BOBS, role=None, by=ADA, now=NOW)


def test_an_accepted_request_is_a_share_that_belongs_to_the_user() -> None:
    shared = document()
    assert new_events(accepted(shared, "editor")) == [
        fact(AccessRequest.Accepted, document_id=ID, user_id=BOB.user_id, role="editor", answered_by=ADA.user_id)
    ]
    assert new_events(shared) == [
        fact(Document.Shared, address_id=address_of(BOB), email=BOBS, role="editor"),
        fact(Document.ShareBound, address_id=address_of(BOB), user_id=BOB.user_id),
    ]
    assert shared.role_of(Actor(BOB.user_id)) == "editor"


def test_without_another_role_the_one_that_was_asked_for_is_given() -> None:
    shared = document()
    accepted(shared)
    assert shared.role_of(BOB) == "viewer"


def test_a_share_that_the_user_has_gets_the_role() -> None:
    former = UUID(int=0xF0)
    shared = document(
        fact(Document.Shared, address_id=former, email="b@example.org", role="viewer"),
        fact(Document.ShareBound, address_id=former, user_id=BOB.user_id),
    )
    accepted(shared, "editor")
    assert new_events(shared) == [fact(Document.ShareChanged, address_id=former, role="editor")]


def test_an_unused_share_of_the_address_is_bound() -> None:
    shared = document(fact(Document.Shared, address_id=address_of(BOB), email=BOBS, role="viewer"))
    accepted(shared, "viewer")
    assert new_events(shared) == [fact(Document.ShareBound, address_id=address_of(BOB), user_id=BOB.user_id)]


def test_the_share_of_a_former_holder_of_the_address_is_left_alone() -> None:
    shared = document(
        fact(Document.Shared, address_id=address_of(BOB), email=BOBS, role="viewer"),
        fact(Document.ShareBound, address_id=address_of(BOB), user_id=EVE.user_id),
    )
    with pytest.raises(AddressIsBound):
        accepted(shared)


def test_a_document_has_no_more_shares_by_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "MAX_SHARES", 0)
    with pytest.raises(TooManyShares):
        accepted(document())


def test_only_who_may_share_answers() -> None:
    viewing = fact(Document.Shared, address_id=address_of(EVE), email="eve@example.org", role="editor")
    with pytest.raises(RoleTooLow):
        accepted(document(viewing), by=EVE)
    with pytest.raises(NotFound):
        accepted(document(), by=BOB)
    with pytest.raises(AddressNotVerified):
        accepted(document(), by=person(1, address=0))
    with pytest.raises(RoleTooLow):
        given(AccessRequest, ASKED).decline(document(viewing), by=EVE, now=NOW)


def test_the_owner_who_asks_gets_no_share() -> None:
    request = AccessRequest.ask(document_id=ID, role="viewer", message=None, by=ADA, now=NOW)
    with pytest.raises(SharedWithOneself):
        request.accept(document(), address_id=address_of(ADA), email="a@example.org", role=None, by=ADA, now=NOW)


def test_an_unverified_address_may_not_ask() -> None:
    unverified = person(2, address=0)
    with pytest.raises(AddressNotVerified):
        AccessRequest.ask(document_id=ID, role="viewer", message=None, by=unverified, now=NOW)
    with pytest.raises(AddressNotVerified):
        given(AccessRequest, ASKED).ask_again(role="editor", message=None, by=unverified, now=NOW)


def test_a_message_is_short_and_one_that_shows_nothing_is_none() -> None:
    with pytest.raises(UnusableText):
        AccessRequest.ask(document_id=ID, role="viewer", message="x" * (MESSAGE_LENGTH + 1), by=BOB, now=NOW)
    [event] = AccessRequest.ask(document_id=ID, role="viewer", message=" \n", by=BOB, now=NOW).pending_events
    assert isinstance(event, AccessRequest.Asked)
    assert bare(event).fields["message"] is None


def test_asking_for_the_same_again_is_no_event_and_for_another_role_it_is() -> None:
    request = given(AccessRequest, ASKED)
    request.ask_again(role="viewer", message=None, by=BOB, now=NOW)
    assert new_events(request) == []
    request.ask_again(role="editor", message=None, by=BOB, now=NOW)
    assert new_events(request) == [
        fact(AccessRequest.AskedAgain, document_id=ID, user_id=BOB.user_id, role="editor", message=None)
    ]


def test_after_a_decline_the_user_asks_again_seven_days_later() -> None:
    request = given(AccessRequest, ASKED)
    request.decline(document(), by=ADA, now=NOW)
    soon = NOW + ASK_AGAIN_AFTER - timedelta(seconds=1)
    with pytest.raises(DeclinedRecently):
        request.ask_again(role="viewer", message=None, by=BOB, now=soon)
    request.ask_again(role="viewer", message=None, by=BOB, now=NOW + ASK_AGAIN_AFTER)
    assert request.state == "open"


def test_an_answer_is_given_once_and_only_to_an_open_request() -> None:
    shared = document()
    request = accepted(shared)
    request.accept(shared, address_id=address_of(BOB), email=BOBS, role=None, by=ADA, now=NOW)
    assert len(new_events(request)) == 1
    with pytest.raises(NoSuchAccessRequest):
        request.decline(document(), by=ADA, now=NOW)
    withdrawn = given(AccessRequest, ASKED)
    for _ in range(2):
        withdrawn.withdraw(now=NOW)
    assert new_events(withdrawn) == [fact(AccessRequest.Withdrawn)]
    for answer in (accepted_by, AccessRequest.decline):
        with pytest.raises(NoSuchAccessRequest):
            answer(withdrawn, document(), by=ADA, now=NOW)


def accepted_by(request: AccessRequest, to: Document, *, by: Actor, now: object) -> None:
    request.accept(to, address_id=address_of(BOB), email=BOBS, role=None, by=by, now=NOW)


def test_a_document_in_the_trash_is_not_shared_and_a_request_for_it_is_declined() -> None:
    with pytest.raises(DocumentIsTrashed):
        accepted(document(fact(Document.Trashed)))
    request = given(AccessRequest, ASKED)
    request.decline(document(fact(Document.Trashed)), by=ADA, now=NOW)
    assert request.state == "declined"


class World:
    """A document of Ada's, for which others ask."""

    def __init__(self, runner: CommandRunner, ada: Actor, bob: Actor, document_id: UUID) -> None:
        self.runner, self.ada, self.bob, self.id = runner, ada, bob, document_id

    async def ask(self, id: UUID | None = None, by: Actor | None = None, role: ShareRole = "editor") -> list[str]:
        """Ask; return the topics of the events."""
        before = len(self.runner.store.log)
        await self.runner.ask(AskForAccess(id=id or self.id, role=role, message="Please."), by or self.bob)
        return self.runner.happened()[before:]

    async def mails(self) -> list[tuple[str, str]]:
        """Return the receivers and templates of the mails that are due."""
        return [(mail.to, mail.template) for mail in await self.runner.work()]


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor(BOBS)
    created = await runner.ask(CreateDocument(title="Notes"), ada)
    await runner.work()
    return World(runner, ada, bob, created.id)


async def test_who_asks_is_given_access_and_both_get_a_mail(world: World) -> None:
    await world.ask()
    assert await world.mails() == [("ada@example.org", "access_asked")]
    await world.runner.ask(AcceptAccessRequest(id=world.id, user_id=world.bob.user_id), world.ada)
    assert await world.mails() == [(BOBS, "access_accepted")]
    await world.runner.ask(ChangeDocument(id=world.id, title="Bob was here"), world.bob)


async def test_no_mail_comes_of_a_request_that_was_withdrawn_before_it(world: World) -> None:
    await world.ask()
    await world.runner.ask(WithdrawAccessRequest(id=world.id), world.bob)
    assert await world.mails() == []


async def test_a_declined_user_gets_a_mail(world: World) -> None:
    await world.ask()
    await world.mails()
    await world.runner.ask(DeclineAccessRequest(id=world.id, user_id=world.bob.user_id), world.ada)
    assert await world.mails() == [(BOBS, "access_declined")]


async def test_asking_for_nothing_does_the_same_and_no_person_hears_of_it(world: World) -> None:
    assert await world.ask() == await world.ask(NOTHING) == ["access_request.asked"]
    await world.runner.ask(WithdrawAccessRequest(id=NOTHING), world.bob)
    assert [to for to, _ in await world.mails()] == ["ada@example.org"]


async def test_asking_reads_nothing_of_the_document(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the time of the answer shows whether there is one."""
    loaded = []
    load = world.runner.store.load

    async def noted(kind: type[object], id: UUID, **more: object) -> object:
        loaded.append((kind, id))
        return await load(kind, id, **more)  # type: ignore[type-var, arg-type]

    monkeypatch.setattr(world.runner.store, "load", noted)
    await world.ask()
    await world.ask(role="viewer")
    assert {kind for kind, _ in loaded} == {AccessRequest}


@pytest.mark.parametrize("erased", [False, True])
async def test_no_mail_comes_of_a_document_in_the_trash(world: World, erased: bool) -> None:
    await world.runner.ask(TrashDocument(id=world.id), world.ada)
    if erased:
        world.runner.now += TRASH_LIFETIME
        await world.runner.ask(EraseTrashedDocument(id=world.id))
    assert await world.ask() == ["access_request.asked"]
    assert await world.mails() == []


async def test_no_mail_goes_to_an_owner_whose_account_waits_for_its_deletion(world: World) -> None:
    await world.runner.ask(RequestDeletion(password=PASSWORD), world.ada)
    await world.runner.work()
    await world.ask()
    assert await world.mails() == []


@pytest.mark.parametrize("end", ["closed", "erased"])
async def test_a_user_who_is_gone_gets_nothing(world: World, end: str) -> None:
    await world.ask()
    if end == "closed":
        await world.runner.ask(Deactivate(), world.bob)
    else:
        await world.runner.ask(EraseUser(id=world.bob.user_id))
    with pytest.raises(NotFound):
        await world.runner.ask(AcceptAccessRequest(id=world.id, user_id=world.bob.user_id), world.ada)


async def test_a_message_is_erased_with_its_user(world: World) -> None:
    await world.ask()
    place = (AccessRequest.id_of(world.id, world.bob.user_id), 1)
    [before] = await world.runner.store.events([place])
    await world.runner.ask(EraseUser(id=world.bob.user_id))
    [after] = await world.runner.store.events([place])
    assert (vars(before)["message"], vars(after)["message"]) == ("Please.", ERASED)


async def test_who_has_never_asked_is_answered_with_not_found(world: World) -> None:
    for command in (AcceptAccessRequest, DeclineAccessRequest):
        with pytest.raises(NoSuchAccessRequest):
            await world.runner.ask(command(id=world.id, user_id=world.bob.user_id), world.ada)
        with pytest.raises(NotFound):
            await world.runner.ask(command(id=NOTHING, user_id=world.bob.user_id), world.ada)


async def test_a_share_of_an_accepted_request_outlives_the_address(world: World) -> None:
    """It is bound: another holder of the address has no access."""
    await world.ask()
    await world.runner.ask(AcceptAccessRequest(id=world.id, user_id=world.bob.user_id), world.ada)
    heir = Actor(UUID(int=9), world.bob.address_id)
    with pytest.raises(NotFound):
        await world.runner.ask(ChangeDocument(id=world.id, title="Mine"), heir)
    await world.runner.ask(ShareDocument(id=world.id, email=BOBS, role="viewer"), world.ada)
    with pytest.raises(RoleTooLow):
        await world.runner.ask(ChangeDocument(id=world.id, title="Again"), world.bob)
