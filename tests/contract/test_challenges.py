"""Challenges: what the port promises, and that clients of ALTCHA can solve ours."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.proof_of_work import LIFETIME_SECONDS, ProofOfWork
from application.ports import MAX_WORK
from infra.limits.local_limits import LocalLimits
from tests.support.work import solved

HERE, THERE = "192.0.2.7", "198.51.100.1"
KEY, NEXT_KEY = b"k" * 32, b"n" * 32

SOLVED_BY_ALTCHA = (
    "eyJjaGFsbGVuZ2UiOiB7InBhcmFtZXRlcnMiOiB7ImFsZ29yaXRobSI6ICJQQktERjIvU0hBLTI1NiIsICJjb3N0IjogNSwgImtleUxlbmd0aCI6"
    "IDMyLCAia2V5UHJlZml4IjogIjAwIiwgIm5vbmNlIjogIjkwZjA4MmRjMTY4NzViMDI0Mzc5OTY0MGQwNDUxZGRmIiwgInNhbHQiOiAiY2E5YjNi"
    "NmU2MWIwOWJlZTIzYmQ3NTBjNjNjNTljMTciLCAiZXhwaXJlc0F0IjogMTc5NTM0OTQwMH0sICJzaWduYXR1cmUiOiAiM2FlYTA4Y2JhNDkwNzA0"
    "ZWQ0OWIxMWRiZDE4YmM2ZGVlZGNkY2U1YWUwNmIzNzU0ZDI4MzczMmM2YzgyOTc5ZiJ9LCAic29sdXRpb24iOiB7ImNvdW50ZXIiOiA3NTUsICJk"
    "ZXJpdmVkS2V5IjogIjAwYjM2NGY2MTcwOTZlMTY3Y2QxODJlYmZmNjlmMjBhYjRiOTYwYjE3NmMxMWE3NmRkZmRmMzhlMGUyYWEwZGUiLCAidGlt"
    "ZSI6IDM0LjY2NDA4OTk5OTc1MTAxfX0="
)
"""A challenge under `KEY` for `HERE`, of 2026-11-22 12:00, solved by the package altcha 2.3.0."""


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def challenges(time: Time) -> ProofOfWork:
    return ProofOfWork([KEY], limits=LocalLimits(), clock=time, cost=1)


async def test_a_solution_is_accepted_once(challenges: ProofOfWork) -> None:
    solution = solved(challenges.issue("sign-in", HERE))
    assert [await challenges.accept("sign-in", HERE, solution) for _ in range(3)] == [True, False, False]


async def test_another_network_cannot_use_it(challenges: ProofOfWork) -> None:
    solution = solved(challenges.issue("sign-in", HERE))
    assert not await challenges.accept("sign-in", THERE, solution)
    assert await challenges.accept("sign-in", HERE, solution)


async def test_it_is_for_one_purpose(challenges: ProofOfWork) -> None:
    solution = solved(challenges.issue("sign-in", HERE))
    assert not await challenges.accept("sign-up", HERE, solution)  # type: ignore[arg-type]


@pytest.mark.parametrize("work", range(1, MAX_WORK + 1))
async def test_a_solution_of_less_work_than_needed_is_refused_and_stays_good(
    challenges: ProofOfWork, work: int
) -> None:
    solution = solved(challenges.issue("sign-in", HERE, work - 1))
    assert not await challenges.accept("sign-in", HERE, solution, work)
    assert await challenges.accept("sign-in", HERE, solution, work - 1)
    assert await challenges.accept("sign-in", HERE, solved(challenges.issue("sign-in", HERE, work)), work)


@pytest.mark.parametrize(("seconds", "accepted"), [(LIFETIME_SECONDS - 1, True), (LIFETIME_SECONDS, False)])
async def test_it_expires(challenges: ProofOfWork, time: Time, seconds: int, accepted: bool) -> None:
    solution = solved(challenges.issue("sign-in", HERE))
    time.now += timedelta(seconds=seconds)
    assert await challenges.accept("sign-in", HERE, solution) is accepted


async def test_a_wrong_counter_uses_the_challenge_up(challenges: ProofOfWork) -> None:
    """Each challenge causes one computation of ours at most."""
    challenge = challenges.issue("sign-in", HERE)
    right = solved(challenge)
    wrong = _changed(right, lambda found: found["solution"].update(counter=found["solution"]["counter"] + 1))
    assert not await challenges.accept("sign-in", HERE, wrong)
    assert not await challenges.accept("sign-in", HERE, right)


CHANGES: list[Callable[[Any], Any]] = [
    lambda found: found["challenge"]["parameters"].update(cost=0),
    lambda found: found["challenge"]["parameters"].update(keyPrefix=""),
    lambda found: found["challenge"]["parameters"].update(keyLength=0),
    lambda found: found["challenge"]["parameters"].update(expiresAt=9_999_999_999),
    lambda found: found["challenge"]["parameters"].update(nonce="00" * 16),
    lambda found: found["challenge"].update(signature="00" * 32),
    lambda found: found["challenge"].update(signature="é"),
    lambda found: found["solution"].update(counter=-1),
    lambda found: found["solution"].update(counter=2**32),
    lambda found: found["solution"].pop("counter"),
    lambda found: found.pop("challenge"),
]


@pytest.mark.parametrize("change", CHANGES)
async def test_a_changed_challenge_is_refused(challenges: ProofOfWork, change: Callable[[Any], Any]) -> None:
    assert not await challenges.accept("sign-in", HERE, _changed(solved(challenges.issue("sign-in", HERE)), change))


@pytest.mark.parametrize(
    "text", ["", "%", "e30=", "AAAA", "bnVsbA==", "W10=", "A" * 5_000, "é", b64encode(b"[" * 3_000).decode()]
)
async def test_what_is_no_solution_is_refused(challenges: ProofOfWork, text: str) -> None:
    assert not await challenges.accept("sign-in", HERE, text)


async def test_a_challenge_outlasts_a_rotation_of_the_key(challenges: ProofOfWork) -> None:
    solution = solved(challenges.issue("sign-in", HERE))
    challenges.use([NEXT_KEY, KEY])
    assert await challenges.accept("sign-in", HERE, solution)
    forgotten = solved(challenges.issue("sign-in", HERE))
    challenges.use([KEY])
    assert not await challenges.accept("sign-in", HERE, forgotten)


async def test_clients_of_altcha_solve_it(time: Time) -> None:
    challenges = ProofOfWork([KEY], limits=LocalLimits(), clock=time, cost=5)
    assert await challenges.accept("sign-in", HERE, SOLVED_BY_ALTCHA)


def _changed(solution: str, change: Callable[[Any], Any]) -> str:
    found = json.loads(b64decode(solution))
    change(found)
    return b64encode(json.dumps(found).encode()).decode()
