"""Connections have the same session settings, whichever function opens them; settings of the URL are kept."""

from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from infra.postgres.connect import connect, connect_async, create_pool
from tests.support.servers import Database

QUERY = """
SELECT current_setting('TimeZone'), current_setting('application_name'), current_setting('work_mem'),
       current_setting('statement_timeout')
"""


@pytest.fixture
def url(database: Database) -> str:
    return make_conninfo(database.app_url, options="-c work_mem=5MB")


def expected(statement_timeout: str) -> tuple[Any, ...]:
    return ("UTC", "palimpsest", "5MB", statement_timeout)


def test_a_synchronous_connection(url: str) -> None:
    with connect(url, settings={"statement_timeout": "7s"}) as connection:
        assert connection.execute(QUERY).fetchone() == expected("7s")


async def test_an_asynchronous_connection(url: str) -> None:
    async with await connect_async(url) as connection:
        assert connection.autocommit
        assert await (await connection.execute(QUERY)).fetchone() == expected("0")


async def test_a_connection_of_a_pool(url: str) -> None:
    pool = create_pool(url, 2)
    async with pool, pool.connection() as connection:
        assert connection.autocommit
        assert await (await connection.execute(QUERY)).fetchone() == expected("10s")
