"""Pipelined statements: answered in order, one by one, and always within a deadline."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg
import pytest

from infra.postgres.pipeline import ConnectionLost, Pipeline, StatementTimedOut
from tests.support.servers import Database
from tests.support.stores import rows

DOUBLE = b"SELECT 2 * $1::int8"
DIVIDE = b"SELECT 1 / $1::int8"
SLEEP = b"SELECT pg_sleep($1::float8)"
WHO = b"SELECT pg_backend_pid()"
LONG = b"SELECT repeat('x', $1::int4)"
NEVER = b"\x40\x8f\x40" + bytes(5)  # 1000 seconds


@asynccontextmanager
async def open_pipeline(database: Database, seconds: float = 5.0) -> AsyncIterator[Pipeline]:
    pipeline = Pipeline(await psycopg.AsyncConnection.connect(database.app_url, autocommit=True), seconds)
    yield pipeline
    pipeline.close()


@pytest.fixture
async def pipeline(database: Database) -> AsyncIterator[Pipeline]:
    async with open_pipeline(database) as pipeline:
        yield pipeline


async def number(pipeline: Pipeline, statement: bytes, value: int) -> int:
    result = await pipeline.execute(statement, [value.to_bytes(8, "big")])
    return int.from_bytes(result.get_value(0, 0) or b"", "big")


async def test_many_at_once_get_their_own_answers(pipeline: Pipeline) -> None:
    answers = await asyncio.gather(*(number(pipeline, DOUBLE, value) for value in range(500)))
    assert answers == [2 * value for value in range(500)]


async def test_answers_and_parameters_larger_than_any_buffer_come_through(pipeline: Pipeline) -> None:
    size = 20_000_000
    result = await pipeline.execute(LONG, [size.to_bytes(4, "big")])
    assert len(result.get_value(0, 0) or b"") == size
    result = await pipeline.execute(b"SELECT length($1::text)", [b"y" * size])
    assert int.from_bytes(result.get_value(0, 0) or b"", "big") == size


async def test_a_statement_that_is_refused_fails_alone(pipeline: Pipeline) -> None:
    values = [1, 0, 1, 0]
    answers = await asyncio.gather(*(number(pipeline, DIVIDE, value) for value in values), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, psycopg.errors.DivisionByZero] * 2
    with pytest.raises(psycopg.errors.SyntaxError):
        await pipeline.execute(b"SELEKT", [])
    assert await number(pipeline, DOUBLE, 3) == 6


async def test_a_cancelled_caller_does_not_shift_the_answers(pipeline: Pipeline) -> None:
    quitter = asyncio.create_task(number(pipeline, DOUBLE, 1))
    await asyncio.sleep(0)
    quitter.cancel()
    assert await number(pipeline, DOUBLE, 2) == 4


async def test_when_the_server_ends_the_session_all_statements_fail(pipeline: Pipeline, database: Database) -> None:
    pid = (await pipeline.execute(WHO, [])).get_value(0, 0) or b""
    waiting = [pipeline.execute(SLEEP, [NEVER]) for _ in range(2)]
    await asyncio.sleep(0.1)
    rows(database.admin_url, f"SELECT pg_terminate_backend({int.from_bytes(pid, 'big')})")
    for each in waiting:
        with pytest.raises(ConnectionLost):
            await each
    assert pipeline.closed
    with pytest.raises(ConnectionLost):
        await pipeline.execute(WHO, [])


async def test_a_statement_sent_twice_before_it_is_prepared_is_answered_twice(pipeline: Pipeline) -> None:
    first, second = number(pipeline, DIVIDE, 0), number(pipeline, DIVIDE, 5)
    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert isinstance(answers[0], psycopg.errors.DivisionByZero)
    assert answers[1] == await number(pipeline, DIVIDE, 5)


async def test_a_statement_on_time_does_not_time_out_the_next(database: Database) -> None:
    async with open_pipeline(database, seconds=0.4) as pipeline:
        for _ in range(3):
            await pipeline.execute(b"SELECT pg_sleep(0.2)", [])
        assert not pipeline.closed


async def test_time_spent_in_the_queue_does_not_count_for_a_statement(database: Database) -> None:
    async with open_pipeline(database, seconds=0.5) as pipeline:
        await asyncio.gather(*(pipeline.execute(b"SELECT pg_sleep(0.2)", []) for _ in range(5)))
        assert not pipeline.closed


async def test_a_server_that_takes_too_long_is_cut_off(database: Database) -> None:
    async with open_pipeline(database, seconds=0.2) as pipeline:
        with pytest.raises(StatementTimedOut, match="too long"):
            await pipeline.execute(SLEEP, [NEVER])
        assert pipeline.closed


async def test_closing_it_fails_the_statements_in_flight(pipeline: Pipeline) -> None:
    waiting = pipeline.execute(SLEEP, [NEVER])
    await asyncio.sleep(0.05)
    pipeline.close()
    with pytest.raises(ConnectionLost):
        await waiting


async def test_a_statement_that_cannot_be_sent_closes_the_connection(pipeline: Pipeline) -> None:
    before = pipeline.execute(DOUBLE, [(1).to_bytes(8, "big")])
    with pytest.raises(ConnectionLost):
        await pipeline.execute(DOUBLE, ["not bytes"])  # type: ignore[list-item]
    with pytest.raises(ConnectionLost):
        await before
    assert pipeline.closed
