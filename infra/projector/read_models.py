"""Read models as consumers of the log: each has a table, and is rebuilt where its version is new or its table empty."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from typing import Any

from infra.postgres.projector_connection import Connection
from infra.projector.checkpoints import PROJECTIONS, Checkpoint
from infra.projector.schema import ensure_tables
from infra.projector.table_writer import TableWriter
from projections.kernel import ReadModel

BATCH = 2_000
MIN_REBUILD_EVENTS = 20_000
"""With at least this many events in the log, a new, empty table is rebuilt aside rather than filled in place."""

Rebuild = Callable[[ReadModel], Coroutine[Any, Any, object]]


class ReadModels:
    """Implements `LogConsumerSet`. `rebuild_table` fills a new table and swaps it in."""

    def __init__(self, models: Sequence[ReadModel], rebuild_table: Rebuild) -> None:
        self.members = [TableWriter(model) for model in models]
        self.checkpoints = PROJECTIONS
        self.batch_size = BATCH
        self._models = {model.name: model for model in models}
        self._rebuild_table = rebuild_table

    async def prepare(self, connection: Connection, names: Collection[str]) -> None:
        """See `LogConsumerSet.prepare`."""
        await ensure_tables(connection, [self._models[name] for name in names])

    def rebuild(self, name: str, checkpoint: Checkpoint, head: int) -> Coroutine[Any, Any, object] | None:
        """See `LogConsumerSet.rebuild`."""
        model = self._models[name]
        if checkpoint.version < model.version or (checkpoint.position == 0 and head >= MIN_REBUILD_EVENTS):
            return self._rebuild_table(model)
        return None
