"""Mails of an erased user, team or address: none is sent any more, no job fails, and what is kept of them ends."""

from dataclasses import replace

from application.identity.sessions import LogIn
from application.identity.user import ChangePassword
from application.ports import Client
from application.privacy.erasure import EraseAddress, EraseTeam, EraseUser
from application.teams.invitation import InviteMember
from application.teams.team import FoundTeam
from tests.support.use_cases import PASSWORD, CommandRunner

ADA, BOB = "ada@example.org", "bob@example.org"


async def test_mails_to_an_erased_user_are_not_sent_and_their_jobs_are_done() -> None:
    runner = CommandRunner()
    ada = await runner.actor(ADA)
    await runner.work()
    phone = replace(runner.call, client=Client("192.0.2.7", "curl/8.1"))
    await runner.bus.send(LogIn(email=ADA, password=PASSWORD), phone)
    assert [mail.template for mail in await runner.work()] == ["new_device"]
    tablet = replace(runner.call, client=Client("192.0.2.8", "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0"))
    await runner.bus.send(LogIn(email=ADA, password=PASSWORD), tablet)
    await runner.ask(ChangePassword(old=PASSWORD, new="umber cartwheel tenfold"), ada)
    await runner.ask(EraseUser(id=ada.user_id))
    assert len(runner.jobs.waiting) == 1
    assert await runner.work() == []
    assert {*runner.mail_box.forgotten} == {ada.user_id, ada.address_id}


async def test_an_invitation_to_an_erased_address_or_of_an_erased_team_is_not_sent() -> None:
    runner = CommandRunner()
    ada = await runner.actor(ADA)
    await runner.work()
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(InviteMember(id=team.id, email=BOB), ada)
    await runner.ask(EraseAddress(id=runner.blind.address_id(BOB)))
    await runner.ask(InviteMember(id=team.id, email="carl@example.org"), ada)
    await runner.ask(EraseTeam(id=team.id))
    assert await runner.work() == []
    assert runner.mail_box.forgotten == [runner.blind.address_id(BOB), team.id]
