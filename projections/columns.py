"""Columns by name: SELECT lists from the fields of a view, and rows from the fields of a first event."""

from collections.abc import Callable, Collection
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any

from application.ports import RecordedEvent, Undecodable
from domain.kernel import Root
from projections.kernel import Change, Table


def columns_of(view: type, alias: str = "", *, without: Collection[str] = ()) -> str:
    """Return the view's fields as a SELECT list, but for those in `without`."""
    prefix = f"{alias}." if alias else ""
    return ", ".join(f"{prefix}{field.name}" for field in fields(view) if field.name not in without)


def select_by_id(view: type, table: str) -> str:
    """Return the query of `ReadStore.by_key` for rows of the read model `table`, whose first column is `id`."""
    return f"SELECT {columns_of(view)} FROM read.{table} WHERE id = ANY(%s)"  # noqa: S608 - our own names only


def new_row(table: Table, event: RecordedEvent, **columns: Any) -> Change:
    """Return the change that makes the row of an aggregate from its first event.

    Columns that have the name of a field of the event take its value; `version`, `created_at` and `updated_at` take the
    event's version and time; `columns` are all others.
    """
    data = event.data
    assert not isinstance(data, Undecodable)
    names, read = _shared_fields(type(data), table)
    columns.update(zip(names, read(data), strict=True))
    columns["version"] = event.version
    columns["created_at"] = columns["updated_at"] = data.timestamp
    return table.put(event.stream_id, **columns)


@cache
def _shared_fields(kind: type[Root.Event], table: Table) -> tuple[list[str], Callable[[Any], tuple[Any, ...]]]:
    """Return the event's fields that are columns, and a function that reads them. Rebuilds call it for every event."""
    names = [field.name for field in fields(kind) if field.name in table.columns]
    if not names:
        return names, lambda _: ()
    read = attrgetter(*names)
    return names, read if len(names) > 1 else lambda data: (read(data),)
