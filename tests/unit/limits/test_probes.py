"""While Redis is silent, one call at a time asks it again: two would read each other's answers."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from application.ports import Bucket, Quota
from infra.limits import shared_limits
from infra.limits.local_limits import LocalLimits
from infra.limits.shared_limits import SharedLimits
from infra.sealing.blind_index import BlindIndex
from tests.support.stores import BLIND_KEY

BUCKET = Bucket(Quota("five", 5, 60, 3), "ada", "ada")


class SlowRedis:
    """A connection that breaks at the first call, and then answers once `answers` is set."""

    def __init__(self) -> None:
        self.connection_pool = self
        self.calls = 0
        self.asked_again = asyncio.Event()
        self.answers = asyncio.Event()

    def register_script(self, _: str) -> SimpleNamespace:
        return SimpleNamespace(sha="0" * 40)

    async def get_connection(self) -> "SlowRedis":
        return self

    async def send_packed_command(self, _: bytes) -> None:
        self.calls += 1
        if self.calls == 1:
            raise ConnectionError
        self.asked_again.set()

    async def read_response(self, **_: Any) -> list[list[int]]:
        await self.answers.wait()
        return [[1, 0]]


async def test_a_probe_that_takes_long_is_alone_on_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_limits, "SILENCE_SECONDS", 0.0)
    server = SlowRedis()
    limits = SharedLimits(cast(Redis, server), BlindIndex(BLIND_KEY), LocalLimits(alone=True), answer_seconds=60)
    await limits.take([BUCKET])
    probe = asyncio.create_task(limits.take([BUCKET]))
    await server.asked_again.wait()
    async with asyncio.timeout(5):
        await limits.take([BUCKET])
    assert server.calls == 2
    server.answers.set()
    assert (await probe).states[0].used == 0
    assert (await limits.take([BUCKET])).states[0].used == 0
    assert server.calls == 3
