"""Finds words of people wherever data is kept: in every table, in every key of Redis, in files."""

from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import redis

from infra.personal_data import REDIS_KEYS
from tests.support.servers import redis_admin

TABLES = """
SELECT CASE WHEN table_schema = 'palimpsest' THEN table_name ELSE table_schema || '.' || table_name END,
    quote_ident(table_schema) || '.' || quote_ident(table_name)
FROM information_schema.tables
WHERE table_schema NOT IN ('pg_catalog', 'information_schema') AND table_type = 'BASE TABLE'
    AND NOT (SELECT relispartition FROM pg_class WHERE oid = format('%I.%I', table_schema, table_name)::regclass)
"""
COLUMNS = """
SELECT quote_ident(column_name) FROM information_schema.columns
WHERE quote_ident(table_schema) || '.' || quote_ident(table_name) = %s
"""


def tables_in(url: str) -> set[str]:
    """The names of all tables, those outside of `palimpsest` with their schema."""
    with psycopg.connect(url) as connection:
        return {name for name, _ in connection.execute(TABLES)}


def columns_with(url: str, word: str) -> Iterator[tuple[str, str]]:
    """The table and column of each place with the word in it, as text or as bytes."""
    spellings = [f"%{word}%", f"%{word.encode().hex()}%"]
    with psycopg.connect(url) as connection:
        for name, at in connection.execute(TABLES).fetchall():
            for (column,) in connection.execute(COLUMNS, [at]).fetchall():
                found = f"SELECT FROM {at} WHERE {column}::text LIKE ANY(%s) LIMIT 1"
                if connection.execute(found.encode(), [spellings]).fetchall():
                    yield name, column


READERS: dict[bytes | str, Callable[[redis.Redis, bytes], Any]] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1),
    b"stream": lambda client, key: client.xrange(key),
}
"""How all of a key's value is read, by its type. Another type, such as that of a module, is an error."""


def redis_keys(url: str) -> dict[str, bytes]:
    """Every key in Redis with its value: a string as it is, others as Python shows them."""
    with redis.Redis.from_url(redis_admin(url)) as client:
        return {key.decode(): _value_of(client, key) for key in client.scan_iter("*")}


def _value_of(client: redis.Redis, key: bytes) -> bytes:
    value = READERS[client.type(key)](client, key)
    return value if isinstance(value, bytes) else str(value).encode()


def register_entry(key: str) -> str:
    """The prefix in the register that a key of Redis belongs to.

    Raises:
        StopIteration: there is none.
    """
    return next(prefix for prefix in REDIS_KEYS if key.startswith(prefix))
