"""The gauge of missing records: 1 while they are read from the store, 0 otherwise, and there from the start."""

from typing import Any, cast

import pytest
from prometheus_client import REGISTRY

from infra.projector.partitioned_projector import PartitionedProjector, missing_gauge


class Idle(PartitionedProjector):
    """A projector without checkpoints and events."""

    async def _read_checkpoints(self, connection: Any) -> None:
        return

    async def _split_checkpoints(self, connection: Any) -> None:
        return

    async def _start_partitions(self, connection: Any) -> None:
        return

    def _poll_timeout(self) -> float:
        return 0

    def at(self, partition: int) -> None:
        """Start a partition at position 0."""
        self._front[partition] = 0

    async def turn(self) -> None:
        """Run one round."""
        await self._round()


class Session:
    """A session without a connection."""

    async def get(self) -> None:
        """Return no connection."""


async def test_the_gauge_reads_0_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    projector = Idle([], cast(Any, None), cast(Any, None), cast(Any, None), "", cast(Any, None))
    monkeypatch.setattr(projector, "_session", Session())
    projector.at(3)
    missing_gauge.labels(3).set(1)
    await projector.turn()
    assert REGISTRY.get_sample_value("palimpsest_feed_missing", {"partition": "3"}) == 0
