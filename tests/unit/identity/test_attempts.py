"""Attempts to log in: failures are counted, waits grow, and a solved challenge lets one through at once."""

import asyncio
from collections.abc import Sequence
from itertools import count

import pytest

from adapters.proof_of_work import ProofOfWork
from application.identity.attempts import ACCOUNT_STAGES, WORK_STAGES, SignInAttempts, TooManyAttempts
from application.identity.authentication import WrongCredentials
from application.ports import MAX_WORK, MICROSECONDS, Client, Unavailable, VersionConflict
from infra.limits.local_limits import LocalLimits
from tests.support.limits import light_work, sign_in_attempts
from tests.support.work import solved

ADA, BEN = "ada@example.org", "ben@example.org"
LONGEST_WAIT = 900


class Guard:
    """Attempts, with a clock that tests move, from networks of which each is another one."""

    def __init__(self, *, alone: bool = False) -> None:
        self.now = 0
        limits = LocalLimits(alone=alone, clock=lambda: self.now)
        self.work: ProofOfWork = light_work(limits)
        self.attempts: SignInAttempts = sign_in_attempts(limits, self.work, scale=1)
        self._networks = count(1)

    def pass_by(self, seconds: int) -> None:
        self.now += seconds * MICROSECONDS

    def client(self, network: str | None = None, solution: str = "") -> Client:
        found = network or f"192.0.2.{next(self._networks)}"
        return Client(found, "curl", found, solution)

    async def fail(self, email: str = ADA, client: Client | None = None) -> None:
        """Try, with a wrong password."""
        with pytest.raises(WrongCredentials):
            await self.try_(email, client, WrongCredentials("no"))

    async def try_(self, email: str = ADA, client: Client | None = None, error: BaseException | None = None) -> None:
        async with self.attempts.attempt(email, client or self.client()):
            await asyncio.sleep(0)
            if error is not None:
                raise error

    async def wait(self, email: str = ADA) -> int:
        """Return how long the next attempt from another network must wait."""
        try:
            await self.try_(email)
        except TooManyAttempts as refusal:
            return refusal.retry_after
        return 0

    async def work_after_failures(self, number: int) -> int:
        """Let the account wait, fail so often with solved challenges, and return the work of the next one."""
        while await self._work() is None:
            await self.fail()
        for _ in range(number):
            here = self.client()
            solution = solved(self.work.issue("sign-in", here.network, MAX_WORK))
            await self.fail(ADA, self.client(here.network, solution))
        work = await self._work()
        assert work is not None
        return work

    async def _work(self) -> int | None:
        try:
            await self.try_()
        except TooManyAttempts as refusal:
            return refusal.work
        return None


@pytest.fixture
def guard() -> Guard:
    return Guard()


async def test_a_network_may_fail_five_times_in_five_minutes(guard: Guard) -> None:
    here = guard.client()
    for number in range(5):
        await guard.fail(f"{number}@example.org", here)
    with pytest.raises(TooManyAttempts, match="from your network have failed; try again in 60 s"):
        await guard.try_("other@example.org", here)
    guard.pass_by(60)
    await guard.try_("other@example.org", here)


async def test_what_succeeds_counts_for_nothing(guard: Guard) -> None:
    here = guard.client()
    for _ in range(50):
        await guard.try_(ADA, here)
    assert await guard.wait() == 0


async def test_what_a_server_fails_counts_for_nothing(guard: Guard) -> None:
    here = guard.client()
    for error in [Unavailable("the database"), VersionConflict()] * 25:
        with pytest.raises(type(error)):
            await guard.try_(ADA, here, error)


async def test_an_attempt_that_is_given_up_counts_as_a_failure(guard: Guard) -> None:
    """Else a client that hangs up could guess without a limit."""
    here = guard.client()
    for number in range(5):
        with pytest.raises(asyncio.CancelledError):
            await guard.try_(f"{number}@example.org", here, asyncio.CancelledError())
    with pytest.raises(TooManyAttempts):
        await guard.try_("other@example.org", here)


async def test_50_at_once_fail_no_more_often_than_one_after_the_other(guard: Guard) -> None:
    here = guard.client()
    found = await asyncio.gather(
        *[guard.try_(f"{each}@example.org", here, WrongCredentials("no")) for each in range(50)],
        return_exceptions=True,
    )
    assert sum(isinstance(each, WrongCredentials) for each in found) == 5


async def test_6_3_1_a_thousand_networks_fail_three_times_for_one_account(guard: Guard) -> None:
    found: Sequence[BaseException | None] = await asyncio.gather(
        *[guard.try_(ADA, guard.client(), WrongCredentials("no")) for _ in range(1_000)], return_exceptions=True
    )
    assert sum(isinstance(each, WrongCredentials) for each in found) == 3
    assert await guard.wait(BEN) == 0


async def test_a_process_that_counts_alone_lets_an_account_fail_half_as_often() -> None:
    """While Redis is silent, an attacker may ask each process; half of each is about one whole of two."""
    alone, shared = Guard(alone=True), Guard()
    for guard, most in ((alone, 2), (shared, 3)):
        for _ in range(most):
            assert await guard.wait() == 0
            await guard.fail()
        assert await guard.wait() > 0
    works = [
        [await guard.work_after_failures(number) for number in (0, 1, 1)] for guard in (Guard(alone=True), Guard())
    ]
    assert works == [[0, 0, 1], [0, 0, 0]]


async def test_the_wait_of_an_account_grows_and_has_an_end(guard: Guard) -> None:
    waits = []
    for _ in range(60):
        while wait := await guard.wait():
            waits.append(wait)
            guard.pass_by(wait)
        await guard.fail()
    assert waits[0] == 10
    assert max(waits) == LONGEST_WAIT
    rising = [wait for place, wait in enumerate(waits) if wait > max(waits[:place], default=0)]
    assert len(rising) >= 4


def test_no_stage_waits_longer_than_the_longest_wait() -> None:
    assert [seconds // failures for failures, seconds in ACCOUNT_STAGES] == [10, 60, 300, LONGEST_WAIT]


async def test_a_solved_challenge_lets_one_attempt_through_at_once(guard: Guard) -> None:
    for _ in range(3):
        await guard.fail()
    assert await guard.wait()
    here = guard.client()
    solution = solved(guard.work.issue("sign-in", here.network))
    await guard.try_(ADA, guard.client(here.network, solution))
    with pytest.raises(TooManyAttempts, match="get a challenge"):
        await guard.try_(ADA, guard.client(here.network, solution))


async def test_the_work_doubles_as_failures_with_solved_challenges_grow(guard: Guard) -> None:
    needed = [await guard.work_after_failures(number) for number in (3, 1, 4, 8, 16, 32)]
    assert needed == [0, 1, 2, 3, 4, 4]


async def test_a_solution_of_too_little_work_is_refused_and_says_what_is_needed(guard: Guard) -> None:
    assert await guard.work_after_failures(4) == 1
    here = guard.client()
    little, enough = (solved(guard.work.issue("sign-in", here.network, work)) for work in (0, 1))
    with pytest.raises(TooManyAttempts, match=r"/v1/auth/challenge\?work=1 ") as refusal:
        await guard.try_(ADA, guard.client(here.network, little))
    assert refusal.value.work == 1
    await guard.try_(ADA, guard.client(here.network, enough))


async def test_what_succeeds_or_is_refused_needs_no_more_work_later(guard: Guard) -> None:
    await guard.work_after_failures(0)
    for _ in range(20):
        here = guard.client()
        await guard.try_(ADA, guard.client(here.network, solved(guard.work.issue("sign-in", here.network))))
        with pytest.raises(TooManyAttempts):
            await guard.try_(ADA, guard.client(here.network, "no solution"))
    assert await guard.work_after_failures(0) == 0


async def test_50_solved_challenges_at_once_fail_only_as_often_as_their_work_allows(guard: Guard) -> None:
    await guard.work_after_failures(0)
    clients = [guard.client() for _ in range(50)]
    solutions = [solved(guard.work.issue("sign-in", each.network)) for each in clients]
    found = await asyncio.gather(
        *[
            guard.try_(ADA, guard.client(each.network, solution), WrongCredentials("no"))
            for each, solution in zip(clients, solutions, strict=True)
        ],
        return_exceptions=True,
    )
    assert sum(isinstance(each, WrongCredentials) for each in found) == WORK_STAGES[0]


def test_there_is_a_stage_for_each_work() -> None:
    assert len(WORK_STAGES) == MAX_WORK


async def test_a_challenge_is_not_used_up_where_none_is_needed(guard: Guard) -> None:
    here = guard.client()
    solution = solved(guard.work.issue("sign-in", here.network))
    for _ in range(3):
        await guard.fail(ADA, guard.client(here.network, solution))
    await guard.try_(ADA, guard.client(here.network, solution))


async def test_a_solved_challenge_does_not_help_a_network_that_failed_too_often(guard: Guard) -> None:
    here = guard.client()
    for number in range(5):
        await guard.fail(f"{number}@example.org", here)
    solution = solved(guard.work.issue("sign-in", here.network))
    with pytest.raises(TooManyAttempts, match="from your network"):
        await guard.try_(ADA, guard.client(here.network, solution))


async def test_refused_attempts_are_not_failures_of_their_network(guard: Guard) -> None:
    for _ in range(3):
        await guard.fail()
    here = guard.client()
    for _ in range(20):
        with pytest.raises(TooManyAttempts, match="for this address"):
            await guard.try_(ADA, here)
    await guard.try_(BEN, here)


@pytest.mark.parametrize("spelling", ["ADA@example.org", " ada@example.org", "ada@EXAMPLE.org"])
async def test_other_spellings_of_an_address_are_the_same_account(guard: Guard, spelling: str) -> None:
    for _ in range(3):
        await guard.fail()
    assert await guard.wait(spelling)


async def test_addresses_without_an_account_wait_as_long(guard: Guard) -> None:
    """What is no address cannot have one: then all wait together."""
    for _ in range(3):
        await guard.fail("not an address")
    assert await guard.wait("nor is this")


async def test_attempts_that_did_not_come_by_http_share_one_network() -> None:
    attempts = sign_in_attempts(scale=1)
    async with attempts.attempt(ADA, None):
        pass
