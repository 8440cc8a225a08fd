"""Accounts, from the request of a stranger to the first login: requests, jobs, mails and links."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.identity.account import IssueLink, OpenAccount, ResetPassword, VerifyEmail
from application.identity.account_requests import Register, RequestPasswordReset, RequestVerification
from application.identity.authentication import WrongCredentials
from application.identity.sessions import LogIn
from application.identity.user import AcceptTerms, Deactivate, WeakPassword
from application.jobs import JobFailed
from application.ports import Actor, Mail
from application.privacy.erasure import EraseUser
from domain.billing.subscription import Subscription
from domain.identity.links import LinkNotValid
from domain.identity.user import User
from domain.kernel import Party
from domain.text import UnusableEmail, UnusableText
from tests.support.given import NOW
from tests.support.use_cases import PASSWORD, CommandRunner

EMAIL = "ada@example.org"
NEW_PASSWORD = "another sentence to know"
REGISTER = Register(email=EMAIL, name="Ada", password=PASSWORD)
OPENED = ["user.registered", "user.verification_requested"]


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


async def registered(runner: CommandRunner) -> Mail:
    """Register, and return the mail with the link."""
    await runner.ask(REGISTER)
    [mail] = await runner.work()
    return mail


def summary(mails: list[Mail]) -> list[tuple[str, str]]:
    return [(mail.to, mail.template) for mail in mails]


async def test_a_stranger_registers_verifies_their_address_and_logs_in(runner: CommandRunner) -> None:
    mail = await registered(runner)
    assert (mail.to, mail.template, mail.values["name"]) == (EMAIL, "verify", "Ada")
    await runner.ask(VerifyEmail(token=mail.values["token"]))
    assert runner.happened() == [*OPENED, "user.email_verified", "subscription.started"]
    who = await runner.ask(LogIn(email=EMAIL, password=PASSWORD))
    assert runner.store.log[-1].originator_id == Subscription.id_of(Party("user", who.user_id))
    assert await runner.work() == []


async def test_registering_looks_nothing_up_and_writes_no_event(runner: CommandRunner) -> None:
    await runner.account(EMAIL)
    log = len(runner.store.log)
    for email in (EMAIL, "free@example.org"):
        assert (await runner.send(Register(email=email, name="Ada", password=PASSWORD))).position is None
    assert (len(runner.store.log), len(runner.jobs.waiting)) == (log, 2)


@pytest.mark.parametrize("password", ["short", EMAIL, "Ada"])
async def test_a_weak_password_is_refused_with_the_reason(runner: CommandRunner, password: str) -> None:
    with pytest.raises(WeakPassword, match="The password is"):
        await runner.ask(Register(email=EMAIL, name="Ada", password=password))


async def test_registering_needs_an_address_and_a_name(runner: CommandRunner) -> None:
    with pytest.raises(UnusableEmail):
        await runner.ask(Register(email="ada", name="Ada", password=PASSWORD))
    with pytest.raises(UnusableText):
        await runner.ask(Register(email=EMAIL, name=" ", password=PASSWORD))
    for request in (RequestVerification(email="ada"), RequestPasswordReset(email="ada")):
        with pytest.raises(UnusableEmail):
            await runner.ask(request)
    assert runner.jobs.waiting == []


async def test_a_registration_that_is_repeated_with_its_key_has_one_effect(runner: CommandRunner) -> None:
    for _ in range(2):
        await runner.send(REGISTER, key="key")
    first, again = [job for job, _ in runner.jobs.waiting]
    assert first.effect_key == again.effect_key
    assert summary(await runner.work()) == [(EMAIL, "verify")]
    assert runner.happened() == OPENED


async def test_the_account_of_a_repeated_registration_is_not_opened_again_after_its_erasure(
    runner: CommandRunner,
) -> None:
    for _ in range(2):
        await runner.send(REGISTER, key="key")
    again = runner.jobs.waiting.pop()
    await runner.work()
    await runner.ask(EraseUser(id=runner.store.log[0].originator_id))
    runner.jobs.waiting.append(again)
    await runner.work()
    assert runner.happened() == [*OPENED, "user.erased"]


async def test_of_two_registrations_of_one_address_at_a_time_one_opens_an_account(
    runner: CommandRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both find the address free; the append of the second is refused."""
    claimed_by, answers = runner.store.claimed_by, iter([None])

    async def overtaken(claim: object) -> UUID | None:
        return next(answers, await claimed_by(claim))  # type: ignore[arg-type]

    await registered(runner)
    monkeypatch.setattr(runner.store, "claimed_by", overtaken)
    await runner.ask(Register(email="ADA@example.org", name="Eve", password=PASSWORD))
    assert summary(await runner.work()) == [(EMAIL, "reset")]
    assert runner.happened().count("user.registered") == 1


async def test_the_owner_of_a_verified_address_learns_that_it_is_registered_again(runner: CommandRunner) -> None:
    await runner.account(EMAIL)
    await runner.work()
    await runner.ask(REGISTER)
    await runner.ask(REGISTER)
    assert summary(await runner.work()) == [(EMAIL, "address_taken")]
    assert await runner.ask(LogIn(email=EMAIL, password=PASSWORD))


async def test_an_unverified_address_that_is_registered_again_gets_a_link_to_set_a_new_password(
    runner: CommandRunner,
) -> None:
    """A stranger may have registered first: verifying must not make their password usable."""
    verify = await registered(runner)
    await runner.ask(Register(email=EMAIL, name="The owner", password=NEW_PASSWORD))
    [mail] = await runner.work()
    assert mail.template == "reset"
    with pytest.raises(LinkNotValid):
        await runner.ask(VerifyEmail(token=verify.values["token"]))
    await runner.ask(ResetPassword(token=mail.values["token"], password="the owner's own sentence"))
    assert await runner.ask(LogIn(email=EMAIL, password="the owner's own sentence"))
    for password in (PASSWORD, NEW_PASSWORD):
        with pytest.raises(WrongCredentials):
            await runner.ask(LogIn(email=EMAIL, password=password))


@pytest.mark.parametrize("own", [None, "2"])
async def test_terms_that_a_stranger_may_have_accepted_do_not_count(runner: CommandRunner, own: str | None) -> None:
    await runner.ask(Register(email=EMAIL, name="Stranger", password=NEW_PASSWORD, terms_version="1"))
    await runner.work()
    runner.now += timedelta(minutes=2)
    await runner.ask(Register(email=EMAIL, name="The owner", password=PASSWORD, terms_version=own))
    [mail] = await runner.work()
    await runner.ask(ResetPassword(token=mail.values["token"], password=PASSWORD))
    user_id = (await runner.ask(LogIn(email=EMAIL, password=PASSWORD))).user_id
    user = await runner.store.load(User, user_id)
    assert user is not None
    assert user.terms_version is None
    assert (await runner.ask(AcceptTerms(version="2"), Actor(user_id))).terms_version == "2"
    await runner.ask(REGISTER)
    await runner.work()
    user = await runner.store.load(User, user_id)
    assert user is not None
    assert user.terms_version == "2"


async def test_a_closed_account_stays_closed_and_gets_no_mail(runner: CommandRunner) -> None:
    await runner.ask(Deactivate(), await runner.actor(EMAIL))
    await runner.work()
    log = len(runner.store.log)
    for request in (REGISTER, RequestVerification(email=EMAIL), RequestPasswordReset(email=EMAIL)):
        await runner.ask(request)
    assert (await runner.work(), len(runner.store.log)) == ([], log)


async def test_a_new_link_replaces_the_earlier_one(runner: CommandRunner) -> None:
    first = await registered(runner)
    runner.now += timedelta(minutes=1)
    await runner.ask(RequestVerification(email=" ADA@example.org"))
    [second] = await runner.work()
    assert (second.template, second.message_id != first.message_id) == ("verify", True)
    with pytest.raises(LinkNotValid):
        await runner.ask(VerifyEmail(token=first.values["token"]))
    await runner.ask(VerifyEmail(token=second.values["token"]))


async def test_a_new_link_for_an_account_that_was_registered_twice_sets_a_new_password(runner: CommandRunner) -> None:
    for _ in range(2):
        await runner.ask(REGISTER)
    await runner.work()
    runner.now += timedelta(minutes=1)
    await runner.ask(RequestVerification(email=EMAIL))
    assert summary(await runner.work()) == [(EMAIL, "reset")]


async def test_an_address_without_an_account_gets_no_mail(runner: CommandRunner) -> None:
    await runner.ask(RequestVerification(email=EMAIL))
    await runner.ask(RequestPasswordReset(email=EMAIL))
    assert (await runner.work(), runner.store.log) == ([], [])


async def test_a_verified_user_gets_no_new_link_to_verify(runner: CommandRunner) -> None:
    await runner.account(EMAIL)
    await runner.work()
    runner.now += timedelta(minutes=1)
    await runner.ask(RequestVerification(email=EMAIL))
    assert await runner.work() == []


async def test_asvs_6_3_7_a_forgotten_password_is_replaced_by_a_link_and_the_user_learns_of_it(
    runner: CommandRunner,
) -> None:
    await runner.account(EMAIL)
    await runner.work()
    await runner.ask(RequestPasswordReset(email=EMAIL))
    [mail] = await runner.work()
    assert mail.template == "reset"
    reset = ResetPassword(token=mail.values["token"], password=NEW_PASSWORD)
    await runner.ask(reset)
    assert summary(await runner.work()) == [(EMAIL, "password_changed")]
    assert await runner.ask(LogIn(email=EMAIL, password=NEW_PASSWORD))
    with pytest.raises(LinkNotValid):
        await runner.ask(reset)


async def test_a_weak_new_password_leaves_the_link_valid(runner: CommandRunner) -> None:
    await registered(runner)
    await runner.ask(RequestPasswordReset(email=EMAIL))
    [mail] = await runner.work()
    with pytest.raises(WeakPassword):
        await runner.ask(ResetPassword(token=mail.values["token"], password=EMAIL))
    await runner.ask(ResetPassword(token=mail.values["token"], password=NEW_PASSWORD))


async def test_a_wrong_link_costs_no_password_hash(runner: CommandRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    mail = await registered(runner)
    for work in ("weakness", "hash"):
        monkeypatch.setattr(runner.passwords, work, None)
    with pytest.raises(LinkNotValid):
        await runner.ask(ResetPassword(token=mail.values["token"], password=NEW_PASSWORD))


@pytest.mark.parametrize("token", ["", "nonsense", "A" * 64])
async def test_every_wrong_token_is_refused_alike(runner: CommandRunner, token: str) -> None:
    await runner.account(EMAIL)
    for command in (VerifyEmail(token=token), ResetPassword(token=token, password=NEW_PASSWORD)):
        with pytest.raises(LinkNotValid, match="request a new one"):
            await runner.ask(command)


async def test_a_plan_that_an_earlier_version_started_is_kept(runner: CommandRunner) -> None:
    mail = await registered(runner)
    user_id = runner.store.log[0].originator_id
    await runner.store.append([Subscription.start(payer=Party("user", user_id), now=NOW)], runner.call, None)
    await runner.ask(VerifyEmail(token=mail.values["token"]))
    assert runner.happened() == [*OPENED, "subscription.started", "user.email_verified"]


async def test_a_mail_whose_link_has_ended_or_whose_user_is_erased_is_not_sent(runner: CommandRunner) -> None:
    await runner.ask(OpenAccount(id=UUID(int=1), email=EMAIL, name="Ada", password_hash="x"))
    runner.now += timedelta(minutes=1)
    await runner.ask(IssueLink(user_id=UUID(int=1), kind="verify"))
    await runner.ask(OpenAccount(id=UUID(int=2), email="bob@example.org", name="Bob", password_hash="x"))
    await runner.ask(EraseUser(id=UUID(int=2)))
    assert [mail.message_id for mail in await runner.work()] == [f"verify.{UUID(int=1).hex}.3"]


async def test_an_expired_link_is_not_sent(runner: CommandRunner) -> None:
    await runner.ask(OpenAccount(id=UUID(int=1), email=EMAIL, name="Ada", password_hash="x"))
    runner.now += timedelta(hours=24)
    assert await runner.work() == []


async def test_a_mail_that_is_refused_is_not_tried_again(runner: CommandRunner) -> None:
    await runner.ask(REGISTER)
    runner.mail_box.code = 550
    with pytest.raises(JobFailed, match="refused the mail with 550") as failed:
        await runner.work()
    assert EMAIL not in str(failed.value)


async def test_a_link_whose_key_is_gone_is_not_sent(runner: CommandRunner) -> None:
    await runner.ask(REGISTER)
    await runner.jobs.perform_all(runner.performer_ports)
    runner.links.forget()
    with pytest.raises(JobFailed, match="must request a new link"):
        await runner.work()


async def test_a_mail_that_is_sent_again_has_the_same_message_id(runner: CommandRunner) -> None:
    await runner.ask(REGISTER)
    await runner.jobs.perform_all(runner.performer_ports)
    await runner.work()
    runner.see_again()
    await runner.work()
    first, again = runner.mail_box.mails
    assert first == again
