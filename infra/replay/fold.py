"""Folds a log into the rows of read models, as they are at a position: the fold of `projections/kernel.py`.

The rows go where the caller wants them: into digests, or into tables of their own.
"""

from collections import defaultdict
from collections.abc import AsyncIterable, Sequence
from typing import Protocol

from application.ports import RecordedEvent
from infra.progress import Progress
from infra.projector.table_writer import TableWriter
from projections.kernel import POSITION, Key, Poison, Row, add_sums


class RowTarget(Protocol):
    """Takes the rows of one read model. `writer`: that of its table."""

    writer: TableWriter

    async def add(self, rows: list[tuple[Key, Row]], events: Sequence[RecordedEvent], poisons: list[Poison]) -> None:
        """Take the rows that follow from `events`, which are whole streams; no other events change them.

        `poisons`: the streams that the fold puts in quarantine.
        """

    async def add_sums(self, rows: list[tuple[Key, Row]]) -> None:
        """Take the rows of `Totals`, once, at the end."""


async def fold_streams(
    batches: AsyncIterable[list[RecordedEvent]],
    targets: Sequence[RowTarget],
    goal: int,
    progress: Progress = lambda *_: None,
) -> None:
    """Fold batches of whole streams, up to the position `goal`."""
    folds = [_ModelFold(target) for target in targets]
    done = 0
    async for events in batches:
        by_root: dict[str, list[RecordedEvent]] = defaultdict(list)
        for event in events:
            by_root[event.topic.partition(".")[0]].append(event)
        for fold in folds:
            await fold.take([event for root in fold.roots for event in by_root.get(root, ())])
        done += len(events)
        progress(done, goal)
    for fold in folds:
        await fold.finish()


class _ModelFold:
    def __init__(self, target: RowTarget) -> None:
        self._target = target
        self._adds = target.writer.statements.adds
        self._sums: dict[Key, Row] = {}
        self.roots: list[str] = [root.TOPIC for root in target.writer.model.roots]  # type: ignore[attr-defined]

    async def take(self, events: Sequence[RecordedEvent]) -> None:
        """Fold the events of whole streams."""
        if not events:
            return
        fold = self._target.writer.fold()
        # Several streams add to a row of `Totals`, which keeps the position of the last event.
        in_order = sorted(events, key=lambda event: event.position) if self._adds else events
        fold.fold(fold.stage(in_order))
        rows = [(key, row) for key, row in fold.rows.items() if row is not None]
        if self._adds:
            self._add_up(rows)
            rows = []
        await self._target.add(rows, events, list(fold.poisons.values()))

    async def finish(self) -> None:
        """Hand over the sums."""
        if self._adds:
            await self._target.add_sums(sorted(self._sums.items()))

    def _add_up(self, rows: list[tuple[Key, Row]]) -> None:
        """Add sums of one batch: streams come in any order, so the position is the highest."""
        for key, row in rows:
            known = self._sums.get(key)
            position = row[POSITION] if known is None else max(known[POSITION], row[POSITION])
            self._sums[key] = {**(row if known is None else add_sums(known, row)), POSITION: position}
