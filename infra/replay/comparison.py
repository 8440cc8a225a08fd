"""Compares the tables of two schemas, as the database has them: no code is asked what a table should be."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import sql

from infra.postgres.connect import Connection
from infra.replay.schemas import ABOUT, QUARANTINE
from projections.kernel import POSITION

MAX_KEYS = 3
"""Keys that are named of each table."""

COLUMNS = """
SELECT relname, attname, coalesce(attnum = ANY(i.indkey), false), attgenerated <> ''
FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace JOIN pg_attribute a ON attrelid = c.oid
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE nspname = %s AND relkind = 'r' AND attnum > 0 AND NOT attisdropped AND relname <> ALL(%s)
ORDER BY relname, array_position(i.indkey::int2[], attnum), attnum
"""
JOINED = """
FROM {one} AS one FULL JOIN {other} AS other USING ({keys})
WHERE ROW({own}) IS DISTINCT FROM ROW({others})
"""
COUNTS = """
SELECT count(*) FILTER (WHERE other.position IS NULL),
    count(*) FILTER (WHERE one.position IS NULL AND other.position <= %(until)s),
    count(*) FILTER (WHERE one.position IS NOT NULL AND other.position <= %(until)s),
    count(*) FILTER (WHERE other.position > %(until)s)
"""
KEYS = "SELECT {keys} {joined} AND coalesce(other.position, 0) <= %(until)s ORDER BY {keys} LIMIT %(limit)s"


class TableColumns(NamedTuple):
    """The columns of a table: those of its key, in their order, and the others that are not generated."""

    key: tuple[str, ...]
    others: frozenset[str]


class TableDifference(NamedTuple):
    """How the table `name` differs. `only_one`, `only_other`: rows that only one of them has; `changed`: rows that both
    have, with other values; `later`: rows of the other one that changed after the position, and tell nothing.

    `keys`: the first that differ; `columns`: those that only one of the tables has, which are not compared.
    """

    name: str
    only_one: int = 0
    only_other: int = 0
    changed: int = 0
    later: int = 0
    keys: tuple[tuple[Any, ...], ...] = ()
    columns: tuple[str, ...] = ()
    missing: str = ""
    """The schema that lacks the table, or has it with another key."""

    @property
    def differs(self) -> bool:
        """Whether anything but later rows differs."""
        return bool(self.only_one or self.only_other or self.changed or self.columns or self.missing)


def compare(connection: Connection, one: str, other: str, until: int) -> Iterator[TableDifference]:
    """Compare all tables of two schemas. `until`: the position of `one`; the other may be at a later one."""
    here, there = (_tables(connection, schema) for schema in (one, other))
    for name in sorted({*here, *there}):
        if name not in here or name not in there or here[name].key != there[name].key:
            yield TableDifference(name, missing=one if name not in here else other)
        else:
            yield _difference(connection, name, (one, other), (here[name], there[name]), until)


def _difference(
    connection: Connection, name: str, schemas: Sequence[str], tables: Sequence[TableColumns], until: int
) -> TableDifference:
    common = [*sorted(tables[0].others & tables[1].others)]
    parts = {
        "one": sql.Identifier(schemas[0], name),
        "other": sql.Identifier(schemas[1], name),
        "keys": sql.SQL(", ").join(map(sql.Identifier, tables[0].key)),
        "own": sql.SQL(", ").join(sql.Identifier("one", column) for column in common),
        "others": sql.SQL(", ").join(sql.Identifier("other", column) for column in common),
    }
    joined = sql.SQL(JOINED).format(**parts)
    values = {"until": until, "limit": MAX_KEYS}
    [counts] = connection.execute(sql.SQL(COUNTS) + joined, values).fetchall()
    keys = sql.SQL(KEYS).format(keys=parts["keys"], joined=joined)
    columns = tuple(sorted(tables[0].others ^ tables[1].others))
    only_one, only_other, changed, later = counts
    return TableDifference(
        name, only_one, only_other, changed, later, tuple(connection.execute(keys, values).fetchall()), columns
    )


def _tables(connection: Connection, schema: str) -> dict[str, TableColumns]:
    found: dict[str, TableColumns] = {}
    for name, column, is_key, is_generated in connection.execute(COLUMNS, [schema, [ABOUT, QUARANTINE]]):
        key, others = found.get(name, TableColumns((), frozenset()))
        if is_key:
            found[name] = TableColumns((*key, column), others)
        elif not is_generated:
            found[name] = TableColumns(key, others | {column})
    return {name: columns for name, columns in found.items() if POSITION in columns.others}
