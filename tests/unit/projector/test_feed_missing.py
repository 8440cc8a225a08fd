"""The gauge of missing records: 1 while they are read from the store, 0 otherwise, and there from the start."""

from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from infra.projector.partitioned_projector import PartitionedProjector, missing_gauge


class Idle(PartitionedProjector):
    """Has nothing to look at, and nothing to apply."""

    async def _look(self, connection: Any) -> None:
        return

    async def _join(self, connection: Any) -> None:
        return

    async def _begin(self, connection: Any) -> None:
        return

    def _patience(self) -> float:
        return 0

    def at(self, partition: int) -> None:
        """Be at the beginning of a partition."""
        self._front[partition] = 0

    async def turn(self) -> None:
        """Go round once."""
        await self._round()


class Session:
    """Has no connection."""

    async def get(self) -> None:
        """Nothing is to be had."""


async def test_the_gauge_reads_0_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    projector = Idle([], cast(Any, None), cast(Any, None), cast(Any, None), "", cast(Any, None))
    monkeypatch.setattr(projector, "_session", Session())
    projector.at(3)
    missing_gauge.labels(3).set(1)
    await projector.turn()
    assert REGISTRY.get_sample_value("palimpsest_feed_missing", {"partition": "3"}) == 0
