"""SQL statements of a read model's table, generated from its declaration. All values are sent as arrays."""

from collections.abc import Iterable
from itertools import chain, repeat

from psycopg import sql

from infra.postgres.arrays import (
    Array,
    BigIntLists,
    BigInts,
    Blobs,
    Bools,
    Dates,
    Jsons,
    Lists,
    Moments,
    Numerics,
    TextLists,
    Texts,
    UuidLists,
    Uuids,
)
from projections.kernel import POSITION, Key, PersonalData, Row, StoredTable, Totals

SCHEMA = "read"
NEXT = "__next"
"""Suffix of the name of a table that is being rebuilt."""

COPY_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
COPY_TAIL = b"\xff\xff"


KINDS: dict[str, type[Array]] = {
    "uuid": Uuids,
    "text": Texts,
    "bigint": BigInts,
    "boolean": Bools,
    "timestamptz": Moments,
    "bytea": Blobs,
    "date": Dates,
    "numeric": Numerics,
    "jsonb": Jsons,
    "text[]": TextLists,
    "uuid[]": UuidLists,
    "bigint[]": BigIntLists,
}


class Statements:
    """SQL for `table`, or for its successor called `name`. `schema`: where it is."""

    def __init__(self, table: StoredTable, name: str | None = None, schema: str = SCHEMA) -> None:
        self.table = table
        self.name = name or table.name
        self.schema = schema
        self.adds = isinstance(table, Totals)
        """Whether `upsert` adds to stored rows rather than replacing them."""
        self.columns = list(table.columns)
        types = {**{column: f"{kind} NOT NULL" for column, kind in table.key.items()}, **table.columns}
        self._types = types
        self._kinds = {column: _kind(column, words) for column, words in types.items()}
        self._width = len(types).to_bytes(2, "big")
        self.fetch = self._fetch().as_bytes()
        self.upsert = self._upsert().as_bytes()
        self.delete = self._delete().as_bytes()
        self.analyze = sql.SQL("ANALYZE {}").format(self._at())
        self.select = sql.SQL("SELECT {} FROM {}").format(self._names(types), self._at())
        """All rows: the key, then `columns`."""
        copy = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)")
        self.copy = copy.format(self._at(), self._names(types)).as_bytes()

    def create(self) -> sql.Composed:
        """Creates the table, without key and indexes."""
        lines = [
            sql.SQL("{} {}").format(sql.Identifier(column), _declared(words))
            for column, words in {**self._types, **self.table.generated}.items()
        ]
        return sql.SQL("CREATE TABLE {} ({})").format(self._at(), sql.SQL(", ").join(lines))

    def bound_statistics(self, personal: PersonalData) -> list[sql.Composed]:
        """Keeps words of people out of the statistics of PostgreSQL, which would outlive their rows.

        Where plans need them, PostgreSQL samples the table again at its next look, a minute by default, after any
        change.
        """
        leave = sql.SQL("ALTER TABLE {} ALTER COLUMN {} SET STATISTICS 0")
        left_out = sorted(personal.clear - personal.sampled)
        renew = sql.SQL("ALTER TABLE {} SET (autovacuum_analyze_threshold = 0, autovacuum_analyze_scale_factor = 0)")
        return [
            *(leave.format(self._at(), sql.Identifier(column)) for column in left_out),
            *([renew.format(self._at())] if personal.sampled else []),
        ]

    def create_key(self) -> sql.Composed:
        """Adds the primary key. After a load this is cheaper than keeping the key up to date row by row."""
        return sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} PRIMARY KEY ({})").format(
            self._at(), sql.Identifier(f"{self.name}_pkey"), self._names(self.table.key)
        )

    def create_indexes(self) -> list[sql.Composed]:
        """Creates the indexes other than the key."""
        return [
            sql.SQL("CREATE INDEX {} ON {} {}").format(sql.Identifier(f"{self.name}_{n}"), self._at(), _declared(what))
            for n, what in enumerate(self.table.indexes, 1)
        ]

    def oid(self) -> sql.Composed:
        """Selects the table's oid, which no earlier table of that name had; NULL: it does not exist."""
        return sql.SQL("SELECT to_regclass({})::oid").format(sql.Literal(f'"{self.schema}"."{self.name}"'))

    def rename(self, new: "Statements") -> list[sql.Composed]:
        """Renames the table, its key and its indexes to the names of `new`."""
        pairs = [(f"{self.name}_pkey", f"{new.name}_pkey")]
        pairs += [(f"{self.name}_{n}", f"{new.name}_{n}") for n in range(1, len(self.table.indexes) + 1)]
        rename = sql.SQL("ALTER INDEX {} RENAME TO {}")
        return [
            sql.SQL("ALTER TABLE {} RENAME TO {}").format(self._at(), sql.Identifier(new.name)),
            *(rename.format(sql.Identifier(self.schema, old), sql.Identifier(to)) for old, to in pairs),
        ]

    def digest(self) -> sql.Composed:
        """Selects the number of rows and two digests of them, which do not depend on their order.

        Each row's hash is hashed once more: it is a sum over the columns, and XOR would too often miss values that
        two rows have exchanged.
        """
        return sql.SQL(
            "SELECT count(*), bit_xor(hashint8extended(hash_record_extended(ROW({row}), 0), 1)),"
            " bit_xor(hashint8extended(hash_record_extended(ROW({row}), 2), 3)) FROM {at}"
        ).format(row=self._names(self._types), at=self._at())

    def count(self) -> sql.Composed:
        """Selects the number of rows."""
        return sql.SQL("SELECT count(*) FROM {}").format(self._at())

    def differences(self, other: "Statements") -> sql.Composed:
        """Selects the number of keys whose rows differ between this table and `other`."""
        return sql.SQL(
            "SELECT count(*) FILTER (WHERE a.h IS DISTINCT FROM b.h)"
            " FROM (SELECT {keys}, hash_record_extended(ROW({row}), 0) AS h FROM {here}) a"
            " FULL JOIN (SELECT {keys}, hash_record_extended(ROW({row}), 0) AS h FROM {there}) b USING ({keys})"
        ).format(keys=self._keys(), row=self._names(self._types), here=self._at(), there=other._at())

    def keys(self, keys: Iterable[Key]) -> list[Array]:
        """Parameters of `fetch` and `delete`."""
        kinds = list(self._kinds.values())
        return [kinds[n]([key[n] for key in keys]) for n in range(len(self.table.key))]

    def rows(self, rows: list[tuple[Key, Row]]) -> list[Array]:
        """Parameters of `upsert`."""
        columns = [self._kinds[column]([row[column] for _, row in rows]) for column in self.columns]
        return self.keys([key for key, _ in rows]) + columns

    def copied(self, rows: list[tuple[Key, Row]]) -> bytes:
        """Rows in the binary format of COPY."""
        values = [array.pack() for array in self.rows(rows)]
        return b"".join(chain.from_iterable(zip(repeat(self._width), *values, strict=False)))

    def _fetch(self) -> sql.Composed:
        return sql.SQL("SELECT {all} FROM {at} JOIN unnest({arrays}) AS wanted ({keys}) USING ({keys})").format(
            all=self._names(self._types), at=self._at(), arrays=self._arrays(self.table.key), keys=self._keys()
        )

    def _upsert(self) -> sql.Composed:
        return sql.SQL(
            "INSERT INTO {at} AS stored ({names}) SELECT {values} FROM unnest({arrays}) AS new ({names})"
            " ON CONFLICT ({keys}) DO UPDATE SET {sets}"
        ).format(
            at=self._at(),
            names=self._names(self._types),
            values=sql.SQL(", ").join(map(self._value, self._types)),
            arrays=self._arrays(self._types),
            keys=self._keys(),
            sets=sql.SQL(", ").join(map(self._set, self.columns)),
        )

    def _value(self, column: str) -> sql.Composable:
        if issubclass(self._kinds[column], Lists):
            cast = sql.SQL("::") + _declared(self._types[column].split()[0])
            return sql.Identifier(column) + cast
        return sql.Identifier(column)

    def _set(self, column: str) -> sql.Composed:
        if not self.adds:
            text = "{0} = EXCLUDED.{0}"
        elif column == POSITION:
            text = "{0} = greatest(stored.{0}, EXCLUDED.{0})"
        else:
            text = "{0} = stored.{0} + EXCLUDED.{0}"
        return sql.SQL(text).format(sql.Identifier(column))

    def _delete(self) -> sql.Composed:
        same = [sql.SQL("stored.{0} = gone.{0}").format(sql.Identifier(column)) for column in self.table.key]
        return sql.SQL("DELETE FROM {} AS stored USING unnest({}) AS gone ({}) WHERE {}").format(
            self._at(), self._arrays(self.table.key), self._keys(), sql.SQL(" AND ").join(same)
        )

    def _at(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)

    def _keys(self) -> sql.Composed:
        return self._names(self.table.key)

    @staticmethod
    def _names(columns: Iterable[str]) -> sql.Composed:
        return sql.SQL(", ").join(map(sql.Identifier, columns))

    def _arrays(self, columns: Iterable[str]) -> sql.Composed:
        # Lists are sent as text[], and cast one by one.
        types = ["text" if issubclass(self._kinds[n], Lists) else self._types[n].split()[0] for n in columns]
        return sql.SQL(", ").join(_declared(f"%b::{each}[]") for each in types)


def drop_table(name: str) -> sql.Composed:
    """Drops the table of a read model, if it exists."""
    return sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(SCHEMA, name))


def _kind(column: str, words: str) -> type[Array]:
    kind = KINDS.get(words.split(maxsplit=1)[0])
    if kind is None:
        raise ValueError(f"The column {column} is {words}; a read model's columns are one of {', '.join(KINDS)}")
    return kind


def _declared(words: str) -> sql.SQL:
    # Declarations are code, not input.
    return sql.SQL(words)
