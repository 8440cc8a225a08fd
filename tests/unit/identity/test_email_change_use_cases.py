"""A change of address from the request to its end: mails, links, logins, and what was shared with the addresses."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.content.document import BindShare, ChangeDocument, CreateDocument, ShareDocument
from application.identity.account import OpenAccount, ResetPassword, VerifyEmail
from application.identity.account_requests import Register, RequestPasswordReset
from application.identity.authentication import WrongCredentials
from application.identity.confirmation import WrongPassword
from application.identity.email_change import (
    ConfirmEmailChange,
    ReleaseFormerEmail,
    RequestEmailChange,
    UndoEmailChange,
)
from application.identity.sessions import LogIn
from application.identity.suspension import LockDown
from application.identity.user import Deactivate
from application.ports import Actor, ClaimTaken, Mail
from application.privacy.erasure import EraseUnverifiedUser, EraseUser
from domain.identity.claims import email_claim
from domain.identity.links import UNDO_LIFETIME, LinkNotValid
from domain.kernel import NotFound
from tests.support.use_cases import PASSWORD, CommandRunner

OLD, NEW, BOB = "ada@example.org", "ada@example.com", "bob@example.org"
NEW_PASSWORD = "another sentence to know"
REQUEST = RequestEmailChange(email=NEW, password=PASSWORD)


@pytest.fixture
async def runner() -> CommandRunner:
    return CommandRunner()


@pytest.fixture
async def ada(runner: CommandRunner) -> Actor:
    who = await runner.actor(OLD)
    await runner.work()
    return who


async def mails_of(runner: CommandRunner) -> dict[str, Mail]:
    """Perform the jobs; return the mails by their templates."""
    return {mail.template: mail for mail in await runner.work()}


async def change(runner: CommandRunner, ada: Actor, email: str = NEW) -> dict[str, Mail]:
    """Change the address; return the mails about the change."""
    await runner.ask(RequestEmailChange(email=email, password=PASSWORD), ada)
    mails = await mails_of(runner)
    for template in ("confirm_old_email", "confirm_new_email"):
        await runner.ask(ConfirmEmailChange(token=mails[template].values["token"]))
    return await mails_of(runner)


async def test_both_addresses_get_a_link_and_the_change_a_mail_to_both(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(REQUEST, ada)
    asked = await mails_of(runner)
    assert {template: mail.to for template, mail in asked.items()} == {
        "confirm_new_email": NEW,
        "confirm_old_email": OLD,
    }
    await runner.ask(ConfirmEmailChange(token=asked["confirm_new_email"].values["token"]))
    assert await runner.work() == []
    await runner.ask(ConfirmEmailChange(token=asked["confirm_old_email"].values["token"]))
    done = await mails_of(runner)
    assert {template: mail.to for template, mail in done.items()} == {"email_changed": OLD, "email_in_use": NEW}


async def test_after_a_change_only_the_new_address_logs_in(runner: CommandRunner, ada: Actor) -> None:
    await change(runner, ada)
    assert (await runner.ask(LogIn(email=NEW, password=PASSWORD))).user_id == ada.user_id
    with pytest.raises(WrongCredentials):
        await runner.ask(LogIn(email=OLD, password=PASSWORD))


async def test_asvs_7_5_1_a_request_needs_the_password(runner: CommandRunner, ada: Actor) -> None:
    with pytest.raises(WrongPassword):
        await runner.ask(RequestEmailChange(email=NEW, password="wrong"), ada)
    assert await runner.work() == []


@pytest.mark.parametrize("verified", [True, False])
async def test_an_address_with_an_account_is_asked_for_like_a_free_one(
    runner: CommandRunner, ada: Actor, verified: bool
) -> None:
    """The answer, the events and the mail to the present address are the same. A mail tells an account of the address;
    one that is not verified may be a stranger's, so the address is asked."""
    if verified:
        await runner.account(BOB)
    else:
        await runner.ask(OpenAccount(id=UUID(int=5), email=BOB, name="Bob", password_hash="hash"))
    await runner.work()
    log = len(runner.store.log)
    await runner.ask(RequestEmailChange(email=BOB, password=PASSWORD), ada)
    assert runner.happened()[log:] == ["user.email_change_requested"]
    mails = {mail.template: mail.to for mail in await runner.work()}
    assert mails == {"address_taken" if verified else "confirm_new_email": BOB, "confirm_old_email": OLD}
    assert runner.happened()[log:] == ["user.email_change_requested", "user.lockdown_link_issued"]


async def test_no_mail_goes_to_a_closed_account_or_to_its_former_address(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(Deactivate(), await runner.actor(BOB))
    carol = await runner.actor("carol@example.org")
    await runner.work()
    await runner.ask(RequestEmailChange(email=BOB, password=PASSWORD), carol)
    assert [mail.template for mail in await runner.work()] == ["confirm_old_email"]
    await change(runner, ada)
    runner.now += timedelta(minutes=1)
    await runner.ask(RequestEmailChange(email=OLD, password=PASSWORD), carol)
    assert [mail.template for mail in await runner.work()] == ["confirm_old_email"]


async def test_an_address_that_was_registered_meanwhile_is_not_given_away(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(REQUEST, ada)
    mails = await mails_of(runner)
    await runner.ask(ConfirmEmailChange(token=mails["confirm_new_email"].values["token"]))
    await runner.account(NEW)
    with pytest.raises(ClaimTaken):
        await runner.ask(ConfirmEmailChange(token=mails["confirm_old_email"].values["token"]))
    assert await runner.ask(LogIn(email=OLD, password=PASSWORD))


@pytest.mark.parametrize("last", ["confirm_old_email", "confirm_new_email"])
async def test_an_account_that_was_never_verified_gives_way_to_who_receives_mail_at_its_address(
    runner: CommandRunner, ada: Actor, last: str
) -> None:
    squatter = OpenAccount(id=UUID(int=5), email=NEW, name="Squatter", password_hash="hash")
    await runner.ask(squatter)
    link = (await mails_of(runner))["verify"]
    await runner.ask(REQUEST, ada)
    mails = await mails_of(runner)
    first, second = sorted(("confirm_old_email", "confirm_new_email"), key=lambda template: template == last)
    await runner.ask(ConfirmEmailChange(token=mails[first].values["token"]))
    assert await runner.store.claimed_by(email_claim(NEW)) == squatter.id
    await runner.ask(ConfirmEmailChange(token=mails[second].values["token"]))
    assert await runner.store.claimed_by(email_claim(NEW)) == ada.user_id
    with pytest.raises(LinkNotValid):
        await runner.ask(VerifyEmail(token=link.values["token"]))
    assert (await runner.ask(LogIn(email=NEW, password=PASSWORD))).user_id == ada.user_id
    await runner.ask(EraseUnverifiedUser(id=squatter.id))
    assert await runner.store.claimed_by(email_claim(NEW)) == ada.user_id


async def test_a_change_is_undone_from_the_old_address(runner: CommandRunner, ada: Actor) -> None:
    mails = await change(runner, ada)
    await runner.ask(RequestPasswordReset(email=NEW))
    thief = (await mails_of(runner))["reset"]
    undo = UndoEmailChange(token=mails["email_changed"].values["token"])
    await runner.ask(undo)
    reset = (await mails_of(runner))["reset"]
    assert reset.to == OLD
    for email in (OLD, NEW):
        with pytest.raises(WrongCredentials):
            await runner.ask(LogIn(email=email, password=PASSWORD))
    for token in (thief.values["token"], "x"):
        with pytest.raises(LinkNotValid):
            await runner.ask(ResetPassword(token=token, password=NEW_PASSWORD))
    await runner.ask(ResetPassword(token=reset.values["token"], password=NEW_PASSWORD))
    assert (await runner.ask(LogIn(email=OLD, password=NEW_PASSWORD))).user_id == ada.user_id
    assert await runner.store.claimed_by(email_claim(NEW)) is None


async def test_the_old_address_is_free_after_a_week(runner: CommandRunner, ada: Actor) -> None:
    await change(runner, ada)
    log = len(runner.store.log)
    register = Register(email=OLD, name="Next", password=PASSWORD)
    for command in (register, RequestPasswordReset(email=OLD)):
        await runner.ask(command)
        assert await runner.work() == []
    await runner.ask(ReleaseFormerEmail(id=ada.user_id))
    assert len(runner.store.log) == log
    runner.now += UNDO_LIFETIME
    await runner.ask(ReleaseFormerEmail(id=ada.user_id))
    await runner.ask(register)
    assert [(mail.to, mail.template) for mail in await runner.work()] == [(OLD, "verify")]


async def test_this_was_not_me_stops_a_change(runner: CommandRunner, ada: Actor) -> None:
    await runner.ask(REQUEST, ada)
    mails = await mails_of(runner)
    await runner.ask(LockDown(token=mails["confirm_old_email"].values["lockdown_token"]))
    assert [mail.template for mail in await runner.work()] == ["reset"]
    for mail in mails.values():
        with pytest.raises(LinkNotValid):
            await runner.ask(ConfirmEmailChange(token=mail.values["token"]))


async def test_what_was_shared_stays_with_the_user_and_what_the_new_address_was_offered_appears(
    runner: CommandRunner, ada: Actor
) -> None:
    bob = await runner.actor(BOB)
    used, unused, offered = [(await runner.ask(CreateDocument(title=t), bob)).id for t in ("a", "b", "c")]
    for id, email in ((used, OLD), (unused, OLD), (offered, NEW)):
        await runner.ask(ShareDocument(id=id, email=email, role="editor"), bob)
    await runner.ask(BindShare(id=used), ada)
    await change(runner, ada)
    changed = Actor(ada.user_id, runner.blind.address_id(NEW))
    for id in (used, offered):
        await runner.ask(ChangeDocument(id=id, title="d", content="", status="draft"), changed)
    with pytest.raises(NotFound):
        await runner.ask(ChangeDocument(id=unused, title="d", content="", status="draft"), changed)


async def test_an_erasure_takes_both_addresses_while_both_are_the_users(runner: CommandRunner, ada: Actor) -> None:
    await change(runner, ada)
    await runner.ask(EraseUser(id=ada.user_id))
    assert runner.happened()[-3:] == ["address.erased", "address.erased", "user.erased"]
    assert [await runner.store.claimed_by(email_claim(email)) for email in (OLD, NEW)] == [None, None]


async def test_an_erasure_leaves_an_address_alone_that_was_released(runner: CommandRunner, ada: Actor) -> None:
    await change(runner, ada)
    runner.now += UNDO_LIFETIME
    await runner.ask(ReleaseFormerEmail(id=ada.user_id))
    await runner.ask(EraseUser(id=ada.user_id))
    assert runner.happened()[-2:] == ["address.erased", "user.erased"]
