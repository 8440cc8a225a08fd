"""The erasure of accounts whose address was not verified in time."""

from contextlib import nullcontext
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from application.identity.account import OpenAccount
from application.jobs import JobFailed, perform
from application.ports import NotSettled, Unreadable, UnverifiedUser
from application.privacy.erasing import ErasureStep
from application.privacy.erasure import EraseUnverifiedUser
from application.privacy.unverified_users import EraseUnverifiedUsers
from domain.billing.subscription import Subscription
from domain.identity.user import User
from domain.kernel import Party
from domain.privacy.refusals import ErasureIsHeld
from tests.support.given import NOW
from tests.support.use_cases import CommandRunner

ADA, BOB, CAROL = UUID(int=1), UUID(int=2), UUID(int=3)


class Pages:
    """Implements `application.ports.UnverifiedUsers`: the users of a list, one at a time."""

    def __init__(self, *users: UnverifiedUser) -> None:
        self.users = users

    async def due(self, now: datetime, *, after: UnverifiedUser | None) -> list[UnverifiedUser]:
        start = 0 if after is None else self.users.index(after) + 1
        return [user for user in self.users[start:] if user.due_at < now][:1]


@pytest.fixture
def runner() -> CommandRunner:
    return CommandRunner()


async def opened(runner: CommandRunner, id: UUID, name: str) -> None:
    await runner.ask(OpenAccount(id=id, email=f"{name}@example.org", name=name, password_hash="hash"))


async def is_erased(runner: CommandRunner, id: UUID) -> bool:
    user = await runner.store.load(User, id)
    assert user is not None
    return user.erased


async def test_accounts_are_erased_when_their_time_is_over(runner: CommandRunner) -> None:
    for id, name in ((ADA, "ada"), (BOB, "bob"), (CAROL, "carol")):
        await opened(runner, id, name)
    old, new = NOW - timedelta(seconds=1), NOW
    pages = Pages(UnverifiedUser(ADA, old), UnverifiedUser(BOB, old), UnverifiedUser(CAROL, new))
    await runner.jobs.enqueue(EraseUnverifiedUsers())
    await runner.jobs.perform_all({**runner.performer_ports, "unverified": pages})
    assert [await is_erased(runner, id) for id in (ADA, BOB, CAROL)] == [True, True, False]


async def test_the_address_of_an_erased_account_can_be_registered_again(runner: CommandRunner) -> None:
    await opened(runner, ADA, "ada")
    assert await runner.ask(EraseUnverifiedUser(id=ADA)) == ErasureStep(1, complete=True, unread=[])
    await opened(runner, BOB, "ada")
    assert runner.happened()[-2:] == ["user.registered", "user.verification_requested"]


async def test_a_user_who_has_verified_their_address_meanwhile_stays(runner: CommandRunner) -> None:
    user_id = await runner.account("ada@example.org")
    assert await runner.ask(EraseUnverifiedUser(id=user_id)) == ErasureStep(0, complete=True, unread=[])
    assert not await is_erased(runner, user_id)


async def test_a_user_of_an_earlier_version_who_has_a_plan_stays(runner: CommandRunner) -> None:
    await opened(runner, ADA, "ada")
    await runner.store.append([Subscription.start(payer=Party("user", ADA), now=NOW)], runner.call, None)
    assert (await runner.ask(EraseUnverifiedUser(id=ADA))).changed == 0


@pytest.mark.parametrize("damaged", [False, True])
async def test_what_is_not_there_or_cannot_be_read_stops_no_others(runner: CommandRunner, damaged: bool) -> None:
    if damaged:
        await opened(runner, ADA, "ada")
        runner.store.unreadable.add(ADA)
    assert (await runner.ask(EraseUnverifiedUser(id=ADA))).changed == 0


async def test_a_user_whose_plan_cannot_be_read_stays(runner: CommandRunner) -> None:
    await opened(runner, ADA, "ada")
    plan = Subscription.start(payer=Party("user", ADA), now=NOW)
    await runner.store.append([plan], runner.call, None)
    runner.store.unreadable.add(plan.id)
    assert await runner.ask(EraseUnverifiedUser(id=ADA)) == ErasureStep(0, complete=True, unread=[plan.id])
    assert not await is_erased(runner, ADA)


async def test_what_cannot_be_read_is_reported_when_all_others_are_erased(runner: CommandRunner) -> None:
    await opened(runner, ADA, "ada")
    await opened(runner, BOB, "bob")
    runner.store.unreadable.add(ADA)
    due = Pages(*(UnverifiedUser(id, NOW - timedelta(days=1)) for id in (ADA, BOB)))
    with pytest.raises(JobFailed, match=f"1 streams cannot be read: {ADA}"):
        await perform(EraseUnverifiedUsers(), {**runner.performer_ports, "unverified": due})
    assert await is_erased(runner, BOB)


@pytest.mark.parametrize("error", [NotSettled(), ErasureIsHeld("The law requires it."), Unreadable(ADA)])
async def test_reads_that_follow_late_holds_and_damage_stop_no_other_erasure(error: Exception) -> None:
    sent = []

    async def send(command: EraseUnverifiedUser, key: str) -> None:
        sent.append(command.id)
        raise error

    pages = Pages(*(UnverifiedUser(id, NOW - timedelta(days=1)) for id in (ADA, BOB)))
    ports = {"unverified": pages, "send": send, "clock": lambda: NOW}
    with pytest.raises(JobFailed, match="2 streams") if isinstance(error, Unreadable) else nullcontext():
        await perform(EraseUnverifiedUsers(), ports)
    assert sent == [ADA, BOB]
