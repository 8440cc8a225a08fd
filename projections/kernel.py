"""What every read model shares: a table, a pure function from an event to row changes, and the fold of a batch.

The same fold serves live, catching up and rebuilding, so a rebuilt table equals a live one. How rows are read and
written is none of its business: `infra/projector` does that, for all read models alike.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar
from uuid import UUID

from application.discovery import import_all
from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root

Key = tuple[Any, ...]
"""Values of the key columns, in the table's order."""

Row = dict[str, Any]
"""Values by column, without the key; `position` is the last event that changed the row."""

POSITION = "position"

UNREADABLE = "Unreadable"
"""Why a stream is quarantined whose event could not be decoded. Stored: it stays."""


class Change:
    """What an event does to one row: replace it, alter it (`whole` is false), or drop it (`values` is None).

    It is applied once: its values become those of the row.
    """

    __slots__ = ("key", "values", "whole")

    def __init__(self, key: Key, values: Row | None, whole: bool) -> None:
        self.key = key
        self.values = values
        self.whole = whole


class Table:
    """A read model's table: SQL types by column. `position`, the last event that changed the row, comes by itself.

    Types are uuid, text, bigint, boolean, timestamptz and bytea, with or without NOT NULL. `indexes` are what follows
    `ON table`, for instance `(owner_id, created_at)`. Every row belongs to one stream.
    """

    def __init__(self, name: str, *, key: Mapping[str, str], columns: Mapping[str, str], indexes: Sequence[str] = ()):
        self.name = name
        self.key = dict(key)
        self.columns = {**columns, POSITION: "bigint NOT NULL"}
        self.indexes = tuple(indexes)
        self._own = frozenset(columns)

    def put(self, *key: Any, **columns: Any) -> Change:
        """Make the row what `columns` say, all of them, whether or not it was there."""
        if columns.keys() != self._own:
            raise TypeError(f"{self.name} has the columns {', '.join(sorted(self._own))}")
        return Change(key, columns, True)

    def set(self, *key: Any, **columns: Any) -> Change:
        """Alter some columns of the row; nothing happens where there is none. A function gets the old row."""
        if not self._own.issuperset(columns):
            raise TypeError(f"{self.name} has the columns {', '.join(sorted(self._own))}")
        return Change(key, columns, False)

    def drop(self, *key: Any) -> Change:
        """Remove the row, if there is one."""
        return Change(key, None, True)


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """What Redis keeps of a read model, as `label:version:key`: what `query` says of one row, for `ttl` once written.

    The query is one for `Rows.by_key`, and says nothing but what is in the row.
    """

    label: str
    kind: type[Any]
    query: str
    ttl: timedelta


class ReadModel:
    """What one table holds, and how it follows from the log. Raise `version` when either changes."""

    version: ClassVar[int]
    table: ClassVar[Table]
    roots: ClassVar[tuple[type[Root], ...]]
    """The aggregates whose events it reads."""
    cached: ClassVar[CacheSpec | None] = None

    def __init__(self) -> None:
        topics = {getattr(root, "TOPIC", None) for root in self.roots}
        self.reads: Callable[[str], bool] = cache(lambda topic: topic.partition(".")[0] in topics)
        """Whether it reads events of a topic."""

    @property
    def name(self) -> str:
        """The table's name is the read model's."""
        return self.table.name

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        """What `event` does to the rows. Pure: the same event always gives the same changes."""
        raise NotImplementedError


def moment_of(event: RecordedEvent) -> datetime:
    """When it happened, by the clock of whoever decided it: the time that aggregates keep too."""
    assert not isinstance(event.data, Undecodable)
    return event.data.timestamp


def read_models() -> list[ReadModel]:
    """Every read model of this package, by name."""
    import_all("projections")
    kinds = [kind for kind in ReadModel.__subclasses__() if kind.__module__.startswith("projections.")]
    return sorted((kind() for kind in kinds), key=lambda model: model.name)


@dataclass(frozen=True, slots=True)
class Poison:
    """Why a stream is quarantined: its event at `position` raised `error` (the name of a class, or `UNREADABLE`)."""

    stream_id: UUID
    position: int
    error: str


_UNKNOWN: Row = {}

Staged = list[tuple[RecordedEvent, list[Change]]]


@dataclass(slots=True)
class Fold:
    """Applies events to rows in memory, batch after batch: `stage` a batch, `learn` the missing rows, then `fold`.

    An event that raises poisons its stream: nothing of it is applied, and the stream's later events are left out.
    """

    model: ReadModel
    poisons: dict[UUID, Poison] = field(default_factory=dict)
    rows: dict[Key, Row | None] = field(default_factory=dict)
    """Rows as far as known; None: an event has removed the row."""
    _learnt: dict[Key, int] = field(default_factory=dict)

    def changed(self) -> list[tuple[Key, Row | None]]:
        """The rows that events have changed; None: removed."""
        learnt = self._learnt
        if not learnt:
            return list(self.rows.items())
        return [item for item in self.rows.items() if item[1] is None or item[1][POSITION] != learnt.get(item[0])]

    def stage(self, events: Iterable[RecordedEvent], leave_out: Collection[UUID] = ()) -> Staged:
        """The changes of those events that the model reads, but for the streams in `leave_out`."""
        staged: Staged = []
        reads, poisons, changes = self.model.reads, self.poisons, self.model.changes
        for event in events:
            # Hashing a UUID takes as long as all the rest of the question.
            if not reads(event.topic) or (poisons and event.stream_id in poisons):
                continue
            if leave_out and event.stream_id in leave_out:
                continue
            if type(event.data) is Undecodable:
                self._poison(event, UNREADABLE)
                continue
            try:
                found = list(changes(event))
            except Exception as error:
                self._poison(event, type(error).__name__)
                continue
            if found:
                staged.append((event, found))
        return staged

    def unknown(self, staged: Staged, *, whole: bool = False) -> list[Key]:
        """Keys whose rows must be learnt before `staged` is folded; with `whole`, those of replaced rows too."""
        rows = self.rows
        first: dict[Key, bool] = {}
        for _, changes in staged:
            for change in changes:
                if change.key not in rows and change.key not in first:
                    first[change.key] = change.whole
        return [key for key, replaced in first.items() if whole or not replaced]

    def learn(self, found: Mapping[Key, Row]) -> None:
        """Take in rows as they are stored."""
        self.rows.update(found)
        self._learnt.update({key: row[POSITION] for key, row in found.items()})

    def fold(self, staged: Staged) -> None:
        """Apply the changes, in order. Rows that are not known are taken not to exist."""
        poisons = self.poisons
        for event, changes in staged:
            if poisons and event.stream_id in poisons and poisons[event.stream_id].position <= event.position:
                continue
            try:
                if len(changes) == 1:
                    self._apply(changes[0], event.position)
                else:
                    self._apply_all(changes, event.position)
            except Exception as error:
                self._poison(event, type(error).__name__)

    def _apply_all(self, changes: list[Change], position: int) -> None:
        rows = self.rows
        keys = {change.key for change in changes}
        before = {key: row and dict(row) for key in keys if (row := rows.get(key, _UNKNOWN)) is not _UNKNOWN}
        try:
            for change in changes:
                self._apply(change, position)
        except Exception:
            for key in keys - before.keys():
                rows.pop(key, None)
            rows.update(before)
            raise

    def _apply(self, change: Change, position: int) -> None:
        values = change.values
        if values is None:
            self.rows[change.key] = None
            return
        values[POSITION] = position
        if change.whole:
            self.rows[change.key] = values
            return
        row = self.rows.get(change.key)
        if row is None:
            return
        for name, value in values.items():
            if callable(value):
                values[name] = value(row)
        row.update(values)

    def _poison(self, event: RecordedEvent, error: str) -> None:
        self.poisons[event.stream_id] = Poison(event.stream_id, event.position, error)
