"""The ends of tries that come during a statement share the next one."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from procrastinate.jobs import Job as QueuedJob

from application.ports import Unavailable
from infra.jobs.ends import TryEnds
from infra.jobs.retry import DONE
from infra.postgres.database import Database


class HeldDatabase:
    """It answers when it may: with the ids of the even jobs, or with the next error."""

    def __init__(self) -> None:
        self.ids: list[list[int]] = []
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.errors: list[Exception] = []

    async def rows(self, query: str, params: Sequence[list[Any]]) -> list[tuple[int]]:
        self.ids.append(params[0])
        self.asked.set()
        await self.may_answer.wait()
        if self.errors:
            raise self.errors.pop()
        return [(id,) for id in params[0] if id % 2 == 0]


def ending(ends: TryEnds, *ids: int) -> list["asyncio.Task[bool]"]:
    jobs = [QueuedJob(id=id, queue="default", lock=None, queueing_lock=None, task_name="job") for id in ids]
    return [asyncio.create_task(ends.write(job, DONE)) for job in jobs]


@pytest.fixture
async def database() -> HeldDatabase:
    return HeldDatabase()


@pytest.fixture
def ends(database: HeldDatabase) -> TryEnds:
    return TryEnds(cast(Database, database))


async def test_those_that_come_during_a_statement_share_the_next_one(database: HeldDatabase, ends: TryEnds) -> None:
    first = ending(ends, 1)
    await database.asked.wait()
    others = ending(ends, 2, 3, 4)
    await asyncio.sleep(0)
    database.may_answer.set()
    assert await asyncio.gather(*first, *others) == [False, True, False, True]
    assert database.ids == [[1], [2, 3, 4]]


async def test_an_error_reaches_all_that_share_a_statement_and_no_later_one(
    database: HeldDatabase, ends: TryEnds
) -> None:
    database.errors.append(Unavailable("The database"))
    failing = ending(ends, 2, 4)
    await database.asked.wait()
    later = ending(ends, 6)
    await asyncio.sleep(0)
    database.may_answer.set()
    results = await asyncio.gather(*failing, *later, return_exceptions=True)
    assert [isinstance(result, Unavailable) for result in results] == [True, True, False]


async def test_one_that_is_given_up_does_not_concern_the_others(database: HeldDatabase, ends: TryEnds) -> None:
    given_up, other = ending(ends, 2, 4)
    await database.asked.wait()
    given_up.cancel()
    database.may_answer.set()
    assert await other


async def test_all_are_settled_when_the_last_statement_is_answered(database: HeldDatabase, ends: TryEnds) -> None:
    await ends.settled()
    first = ending(ends, 2)
    await database.asked.wait()
    settled = asyncio.create_task(ends.settled())
    others = ending(ends, 4)
    await asyncio.sleep(0)
    assert not settled.done()
    database.may_answer.set()
    await settled
    assert all(each.done() for each in (*first, *others))
