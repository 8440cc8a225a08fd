"""Base of all read models: the table, the pure function from an event to row changes, the fold of a batch.

The same fold serves live, catching up and rebuilding, so a rebuilt table equals a live one. `infra/projector` reads and
writes the rows, for all read models alike.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation, Overflow
from functools import cache
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from application.discovery import import_all
from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root

Key = tuple[Any, ...]
"""Values of the key columns, in the table's order."""

Row = dict[str, Any]
"""Values by column, without the key; `position` is the last event that changed the row."""

POSITION = "position"

SLOT = "slot"
"""Last key column of `Totals`."""

UNREADABLE = "Unreadable"
"""Why a stream is quarantined whose event could not be decoded. Stored: it stays."""


class Change:
    """Change of one row by an event: replace it, alter it (`whole` is false), drop it (`values` is None), or add to it.

    It is applied once: its values become those of the row.
    """

    __slots__ = ("key", "values", "whole")

    def __init__(self, key: Key, values: Row | None, whole: bool) -> None:
        self.key = key
        self.values = values
        self.whole = whole


class StoredTable:
    """Declaration of a read model's table: SQL types by column, of the key and of the other columns.

    Types: uuid, text, bigint, numeric, boolean, timestamptz, date, bytea, jsonb, text[], uuid[], bigint[]; with or
    without NOT NULL. `position`, the last event that changed the row, is added. `indexes`: what follows `ON table` in
    CREATE INDEX, for instance `(owner_id, created_at)` or `USING gin (tags)`.
    """

    def __init__(self, name: str, *, key: Mapping[str, str], columns: Mapping[str, str], indexes: Sequence[str] = ()):
        self.name = name
        self.key = dict(key)
        self.generated = {column: words for column, words in columns.items() if "GENERATED ALWAYS" in words.upper()}
        """Columns that PostgreSQL computes. They are never read or written here."""
        own = {column: words for column, words in columns.items() if column not in self.generated}
        self.columns = {**own, POSITION: "bigint NOT NULL"}
        self.indexes = tuple(indexes)
        self._own = frozenset(own)

    def _misfit(self) -> TypeError:
        return TypeError(f"{self.name} has the columns {', '.join(sorted(self._own))}")


class Table(StoredTable):
    """Table whose every row belongs to one stream: only events of that stream change it.

    A parallel rebuild relies on it. For rows that several streams change, use `Totals`.

    Values are those that psycopg reads: lists for arrays, `Decimal` or int for numeric, what `json.loads` returns for
    jsonb (so no tuples, UUIDs or moments in it), None for NULL. Read models must not change a list or dict in place.
    A column may be generated, above all for full text search:

        "search": "tsvector GENERATED ALWAYS AS (to_tsvector('english', left(content, 200000))) STORED"

    PostgreSQL refuses a tsvector of 1 MB, which would quarantine the stream; hence `left`.
    """

    def put(self, *key: Any, **columns: Any) -> Change:
        """Insert or replace the row: `columns` are all of its columns."""
        if columns.keys() != self._own:
            raise self._misfit()
        return Change(key, columns, True)

    def set(self, *key: Any, **columns: Any) -> Change:
        """Alter some columns of the row, if it exists. A function as value is called with the old row."""
        if not self._own.issuperset(columns):
            raise self._misfit()
        return Change(key, columns, False)

    def drop(self, *key: Any) -> Change:
        """Remove the row, if it exists."""
        return Change(key, None, True)


class Totals(StoredTable):
    """Table of sums that events of several streams change: totals by payer and day, unread counts.

        table = Totals("usage", key={"payer_id": "uuid", "day": "date"}, sums={"events": "bigint", "cost": "numeric"})
        yield self.table.add(payer_id, day, events=1, cost=Decimal("0.02"))

    Sums are bigint or numeric, so they are exact; a float is refused. Adding zero creates the row. Rows are never
    removed: take back with a negative amount, which the event must carry.

    Each key has one row a slot (`infra/projector/table_writer.py`), a function of the stream, so that projectors with
    different partitions do not wait for each other. Queries read `summed()`, which has one row a key.

    While a stream is in quarantine, the sums lack its events from the failing one on. A retry adds them, each once; a
    skipped event is never added.
    """

    def __init__(self, name: str, *, key: Mapping[str, str], sums: Mapping[str, str], indexes: Sequence[str] = ()):
        if not key or not set(sums.values()) <= {"bigint", "numeric"}:
            raise ValueError(f"{name} needs a key, and sums that are bigint or numeric")
        columns = {column: f"{kind} NOT NULL" for column, kind in sums.items()}
        super().__init__(name, key={**key, SLOT: "bigint"}, columns=columns, indexes=indexes)
        self._keys = tuple(key)
        self._sums = dict(sums)

    def add(self, *key: Any, **amounts: int | Decimal) -> Change:
        """Add the amounts to the sums of `key`; 0 to sums that are not named.

        Raises:
            TypeError: an amount is not exact (a float, NaN), or no such sum exists.
        """
        if len(key) != len(self._keys) or not self._own.issuperset(amounts):
            raise self._misfit()
        for column, amount in amounts.items():
            is_decimal = type(amount) is Decimal and self._sums[column] == "numeric" and amount.is_finite()
            if type(amount) is not int and not is_decimal:
                raise TypeError(f"{self.name}.{column} adds up {self._sums[column]}: it cannot add {amount!r}")
        return Change(key, dict.fromkeys(self._sums, 0) | amounts, True)

    def summed(self) -> str:
        """Subquery for FROM with one row a key: `f"SELECT events FROM {table.summed()} t WHERE payer_id = %s"`.

        PostgreSQL applies conditions on key columns before it sums.
        """
        keys = ", ".join(f'"{column}"' for column in self._keys)
        sums = ", ".join(f'sum("{column}")::{kind} AS "{column}"' for column, kind in self._sums.items())
        return f"(SELECT {keys}, {sums}, max({POSITION}) AS {POSITION} FROM read.{self.name} GROUP BY {keys})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class CacheSpec:
    """What Redis caches of a read model, as `label:version:key`: the result of `query` for one row, for `ttl`.

    The query is one for `ReadStore.by_key`, and selects from this row only.
    """

    label: str
    kind: type[Any]
    query: str
    ttl: timedelta


@dataclass(frozen=True, slots=True)
class PersonalData:
    """What rows say about people, and how an erasure removes it.

    `clear`: the columns in which words of people are readable as stored; tests compare it with the tables. `sampled`:
    those of them that PostgreSQL may sample, as plans of queries need to know how common a value is.
    """

    content: str
    purge: str
    clear: frozenset[str] = frozenset()
    sampled: frozenset[str] = frozenset()


class ReadModel:
    """Definition of one table and of the way it follows from the log. Raise `version` when either changes."""

    version: ClassVar[int]
    table: ClassVar[StoredTable]
    roots: ClassVar[tuple[type[Root], ...]]
    """The aggregates whose events it reads."""
    personal: ClassVar[PersonalData]
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
    """When the event was decided, by the clock of the process that decided it; aggregates keep the same time."""
    assert not isinstance(event.data, Undecodable)
    return event.data.timestamp


Query = TypeVar("Query", bound=Callable[..., Any])

_READS: dict[Callable[..., Any], tuple[str, ...]] = {}


def reads(*models: type[ReadModel] | str) -> Callable[[Query], Query]:
    """Declare which read models, by class or name, a query reads. Callers wait for these; a test compares the SQL."""

    def declare(query: Query) -> Query:
        _READS[query] = tuple(model if isinstance(model, str) else model.table.name for model in models)
        return query

    return declare


def models_read_by(query: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the read models that a query declares.

    Raises:
        KeyError: it declares none.
    """
    return _READS[query]


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

StagedChanges = list[tuple[RecordedEvent, list[Change]]]


@dataclass(slots=True)
class Fold:
    """Applies events to rows in memory, batch after batch: `stage` a batch, `learn` the missing rows, then `fold`.

    An event that raises poisons its stream: neither it nor later events of the stream are applied.
    """

    model: ReadModel
    poisons: dict[UUID, Poison] = field(default_factory=dict)
    rows: dict[Key, Row | None] = field(default_factory=dict)
    """The known rows; None: an event has removed the row."""
    _learnt: dict[Key, int] = field(default_factory=dict)

    def changed(self) -> list[tuple[Key, Row | None]]:
        """The rows that events have changed; None: removed."""
        learnt = self._learnt
        if not learnt:
            return list(self.rows.items())
        return [item for item in self.rows.items() if item[1] is None or item[1][POSITION] != learnt.get(item[0])]

    def stage(self, events: Iterable[RecordedEvent], leave_out: Collection[UUID] = ()) -> StagedChanges:
        """The changes by the events that the model reads, without the streams in `leave_out`."""
        staged: StagedChanges = []
        reads, poisons, changes = self.model.reads, self.poisons, self.model.changes
        for event in events:
            # Hashing a UUID takes as long as all the other checks.
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

    def unknown(self, staged: StagedChanges, *, whole: bool = False) -> list[Key]:
        """Keys whose rows must be learnt before `staged` is folded; with `whole`, keys of replaced rows too."""
        rows = self.rows
        first: dict[Key, bool] = {}
        for _, changes in staged:
            for change in changes:
                if change.key not in rows and change.key not in first:
                    first[change.key] = change.whole
        return [key for key, replaced in first.items() if whole or not replaced]

    def learn(self, found: Mapping[Key, Row]) -> None:
        """Add stored rows."""
        self.rows.update(found)
        self._learnt.update({key: row[POSITION] for key, row in found.items()})

    def fold(self, staged: StagedChanges) -> None:
        """Apply the changes, in order. A row that is not known does not exist."""
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


EXACT = Context(prec=147_455, traps=[Inexact, InvalidOperation, Overflow])
"""Arithmetic of PostgreSQL's longest numeric: 131,072 digits before the point, 16,383 after it. It never rounds."""


@dataclass(slots=True)
class TotalsFold(Fold):
    """Fold of `Totals`: its rows are what events add, to be added to the stored rows. It learns none.

    `slot_of`: the slot of a stream, the same at all times.
    """

    slot_of: Callable[[UUID], int] = field(kw_only=True)

    def stage(self, events: Iterable[RecordedEvent], leave_out: Collection[UUID] = ()) -> StagedChanges:
        """As `Fold.stage`; the keys end with the slot."""
        return [(event, self._with_slot(event, changes)) for event, changes in Fold.stage(self, events, leave_out)]

    def _with_slot(self, event: RecordedEvent, changes: list[Change]) -> list[Change]:
        slot = self.slot_of(event.stream_id)
        return [Change((*change.key, slot), change.values, True) for change in changes]

    def unknown(self, staged: StagedChanges, *, whole: bool = False) -> list[Key]:
        """None: sums are added without knowing the stored ones."""
        return []

    def _apply(self, change: Change, position: int) -> None:
        assert change.values is not None
        row = self.rows.get(change.key)
        amounts = change.values
        if row is not None:
            amounts = add_sums(row, amounts)
        self.rows[change.key] = {**amounts, POSITION: position}


def add_sums(row: Row, amounts: Mapping[str, int | Decimal]) -> dict[str, int | Decimal]:
    """Return the sums of a row after the amounts were added, by column."""
    return {column: _plus(row[column], amount) for column, amount in amounts.items()}


def _plus(a: int | Decimal, b: int | Decimal) -> int | Decimal:
    return a + b if type(a) is int and type(b) is int else EXACT.add(a, b)
