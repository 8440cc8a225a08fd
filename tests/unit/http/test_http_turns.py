"""Long work in threads: few at a time, and too many that wait are refused, so that nothing else waits for them."""

import asyncio
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest

from adapters.fair_queue import FairTurns
from adapters.http.api.context import CONTEXT
from adapters.http.api.deps import MAX_COMPUTATIONS
from adapters.http.api.queries import MAX_WAITING, QueryReader
from adapters.passwords import Argon2Passwords
from application.ports import Unavailable
from tests.support.given import NOW
from tests.support.http import PASSWORD, open_http_api


def reader_with(computations: FairTurns) -> QueryReader:
    """A reader of a request, which shares the turns with all others."""
    deps = SimpleNamespace(computations=computations, history=None, clock=lambda: NOW)
    context = SimpleNamespace(deps=deps, identity=SimpleNamespace(actor=None, session_id=None), header=lambda _: None)
    return QueryReader(cast(Any, SimpleNamespace(scope={CONTEXT: context})))


async def test_few_computations_run_at_a_time_and_a_crowd_is_refused() -> None:
    computations, end = FairTurns(MAX_COMPUTATIONS), asyncio.Event()
    running, most = 0, 0

    async def compute() -> None:
        nonlocal running, most
        async with reader_with(computations).turn():
            running += 1
            most = max(most, running)
            await end.wait()
            running -= 1

    crowd = [asyncio.create_task(compute()) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await compute()
    end.set()
    await asyncio.gather(*crowd)
    assert most == MAX_COMPUTATIONS


async def test_a_login_that_finds_all_threads_of_passwords_taken_is_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    may_go_on, passwords = Event(), Argon2Passwords(threads=1)
    monkeypatch.setattr("adapters.passwords.MAX_WAITING", 2)
    monkeypatch.setattr(passwords, "_verify", lambda *_: may_go_on.wait())
    login = {"email": "ada@example.org", "password": PASSWORD}
    async with open_http_api(passwords=passwords) as api:
        await api.account("ada")
        asked = [asyncio.create_task(api.client.post("/v1/auth/login", json=login)) for _ in range(3)]
        done, _ = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        [refused] = [task.result() for task in done]
        may_go_on.set()
        answers = await asyncio.gather(*asked)
    passwords.close()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert refused.json()["code"] == "unavailable"
    assert sorted(answer.status_code for answer in answers) == [200, 200, 503]
