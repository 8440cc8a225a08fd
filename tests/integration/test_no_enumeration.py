"""No enumeration: the times of answers do not show whether an address has an account (ASVS 5.0, 6.3.8).

Through the HTTP app and the real database, with passwords that take no time: hashing takes the same time for all, and
its noise would hide what else differs.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from math import ceil, sqrt
from time import perf_counter
from typing import Any

import httpx2
import pytest
from uuid_utils.compat import uuid7

from adapters.http.api.app import create_app
from adapters.http.api.deps import Deps
from application.commands import Command, CommandResult
from application.ports import CommandContext
from infra.bootstrap.api import open_deps
from infra.settings.model import Settings
from tests.support.accounts import NewAccount, open_account
from tests.support.http import PASSWORD, SwiftPasswords
from tests.support.limits import PLENTY
from tests.support.links import PlainLinks
from tests.support.servers import Database
from tests.support.stores import KEYS

PAIRS, FEW_PAIRS = 2_000, 300
LANES = 4
"""Pairs at a time: a login waits more than it works."""
MARGIN_SECONDS = 0.000_05
"""Shorter differences drown in the noise of any network."""
PLANTED_SECONDS = 0.002
TAKEN, FREE = "ada@example.org", "eve@example.org"

REQUESTS: dict[str, dict[str, str]] = {
    "register": {"name": "Somebody", "password": PASSWORD},
    "login": {"password": "the wrong password"},
    "forgot-password": {},
}


def differs(differences: Sequence[float]) -> bool:
    """Return whether the median of paired differences, in seconds, is beyond the margin.

    By its confidence interval of 99.9 % (order statistics; the sign test), so whatever the distribution is.
    """
    ordered, middle = sorted(differences), len(differences) // 2
    reach = ceil(3.29 * sqrt(len(differences)) / 2)
    low, high = ordered[middle - reach], ordered[middle + reach]
    return low > MARGIN_SECONDS or high < -MARGIN_SECONDS


@asynccontextmanager
async def service(database: Database, plant: bool) -> AsyncIterator[httpx2.AsyncClient]:
    """The API in this process. `plant`: it takes longer for the address that is taken."""
    settings = Settings.from_variables({"DATABASE_URL": database.app_url, **KEYS, **PLENTY})
    links = PlainLinks()
    async with open_deps(settings, {"passwords": SwiftPasswords(), "links": links}) as deps:
        context = CommandContext(None, uuid7())
        account = NewAccount(uuid7(), TAKEN, "Somebody", f"hash of {PASSWORD}")
        await open_account(lambda command: deps.send(command, context), deps.history, links, account)
        app = create_app(replace(deps, send=_Slower(deps).send) if plant else deps)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
            yield client


class _Slower:
    def __init__(self, deps: Deps) -> None:
        self._send = deps.send

    async def send(self, command: Command[Any], context: CommandContext) -> CommandResult[Any]:
        if getattr(command, "email", None) == TAKEN:
            await asyncio.sleep(PLANTED_SECONDS)
        return await self._send(command, context)


async def measure(client: httpx2.AsyncClient, path: str, pairs: int) -> list[float]:
    """Return by how much longer the answers for the address that is taken took, pair by pair, in seconds."""
    lanes = [lane(client, path, pairs // LANES, random.Random(number)) for number in range(LANES)]
    return [difference for differences in await asyncio.gather(*lanes) for difference in differences]


async def lane(client: httpx2.AsyncClient, path: str, pairs: int, chance: random.Random) -> list[float]:
    """Measure some of the pairs, one request after the other; within a pair, in an order by chance."""
    differences = []
    for _ in range(pairs):
        took = {}
        for email in chance.sample([TAKEN, FREE], 2):
            began = perf_counter()
            answer = await client.post(f"/v1/auth/{path}", json={"email": email, **REQUESTS[path]})
            took[email] = perf_counter() - began
            assert answer.status_code == (401 if path == "login" else 202), answer.text
        differences.append(took[TAKEN] - took[FREE])
    return differences


@pytest.mark.parametrize("path", REQUESTS)
async def test_asvs_6_3_8_the_time_of_an_answer_does_not_show_whether_there_is_an_account(
    path: str, database: Database
) -> None:
    async with service(database, plant=False) as client:
        await measure(client, path, 20)
        assert not differs(await measure(client, path, PAIRS))


@pytest.mark.parametrize("path", REQUESTS)
async def test_a_difference_of_two_milliseconds_is_found(path: str, database: Database) -> None:
    async with service(database, plant=True) as client:
        assert differs(await measure(client, path, FEW_PAIRS))
