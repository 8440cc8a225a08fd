"""The lag of policies has gauges of its own, beside those of read models."""

from typing import Any, cast

import pytest

from infra.policies.tables import POLICY_GAUGES
from infra.projector import lag
from infra.projector.lag import STUCK_SECONDS, LagMonitor
from tests.support.metrics import sample
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news


class Policies:
    """A session whose database has one policy, at position 1. `asked`: the queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self) -> "Policies":
        return self

    async def execute(self, query: str) -> "Policies":
        self.asked.append(query)
        return self

    async def fetchall(self) -> list[tuple[str, int, int, int]]:
        return [("mirror", 1, 1, 2)]


def gauge(name: str) -> float | None:
    return sample(f"palimpsest_policy_{name}", {"policy": "mirror"})


async def test_a_policy_with_work_that_does_not_move_is_stuck(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000.0
    session = Policies()
    monkeypatch.setattr(lag, "monotonic", lambda: now)
    monkeypatch.setattr(lag, "ProjectorSession", lambda _: cast(Any, session))
    monitor = LagMonitor(["mirror"], MemoryFeed(news(note(1, "a", "b"))), "", POLICY_GAUGES)
    await monitor.measure()
    assert [gauge(name) for name in ("position", "lag_positions", "quarantined", "stuck")] == [1, 2, 2, 0]
    now += STUCK_SECONDS + 1
    await monitor.measure()
    assert gauge("stuck") == 1
    assert {"FROM policies" in query for query in session.asked} == {True}
