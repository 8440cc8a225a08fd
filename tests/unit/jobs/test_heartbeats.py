"""Heartbeats of the workers of a process."""

import asyncio
from typing import Any, cast

import pytest

from application.ports import Unavailable
from infra.jobs.heartbeats import HEARTBEAT_SECONDS, Heartbeats
from infra.jobs.manager import RETRY_SECONDS, QueueManager


class Worker:
    """A worker that notes which of its jobs are cancelled."""

    def __init__(self, worker_id: int | None) -> None:
        self.worker_id = worker_id
        self.cancelled: list[int] = []

    async def cancel(self, job_id: int) -> None:
        self.cancelled.append(job_id)


class Beats:
    """A database with these answers to heartbeats: the living workers, and their jobs to cancel."""

    def __init__(self, *answers: Exception | list[tuple[int, int | None]]) -> None:
        self._answers = list(answers)
        self.asked: list[list[int]] = []

    async def rows(self, query: str, params: list[list[int]], *, seconds: float) -> list[tuple[int, int | None]]:
        self.asked += params
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def beating(*answers: Exception | list[tuple[int, int | None]]) -> tuple[Heartbeats, Beats]:
    beats = Beats(*answers)
    return Heartbeats(cast(Any, beats)), beats


def begin(own: Heartbeats, worker: Worker, lost: list[Worker]) -> None:
    own.begin(cast(QueueManager, worker), lambda: lost.append(worker))


async def test_one_statement_is_the_heartbeat_of_all_registered_workers() -> None:
    own, beats = beating([(1, None), (2, None)])
    workers, lost = [Worker(1), Worker(None), Worker(2)], list[Worker]()
    for worker in workers:
        begin(own, worker, lost)
    await own.beat()
    assert (beats.asked, lost) == ([[1, 2]], [])


async def test_without_registered_workers_there_is_no_heartbeat() -> None:
    own, beats = beating()
    begin(own, Worker(None), [])
    await own.beat()
    assert beats.asked == []


async def test_a_worker_that_was_taken_for_dead_is_told_so_once() -> None:
    own, beats = beating([(1, None)], [(1, None)])
    lost: list[Worker] = []
    workers = [Worker(1), Worker(2)]
    for worker in workers:
        begin(own, worker, lost)
    await own.beat()
    await own.beat()
    assert lost == workers[1:]
    assert beats.asked == [[1, 2], [1]]


async def test_a_worker_that_has_ended_shows_its_life_no_more() -> None:
    own, beats = beating()
    worker = Worker(1)
    begin(own, worker, [])
    own.end(cast(QueueManager, worker))
    await own.beat()
    assert beats.asked == []


async def test_jobs_are_cancelled_by_their_workers() -> None:
    own, _ = beating([(1, 11), (1, 12), (2, None)])
    workers = [Worker(1), Worker(2)]
    for worker in workers:
        begin(own, worker, [])
    await own.beat()
    assert [worker.cancelled for worker in workers] == [[11, 12], []]


async def test_a_heartbeat_that_was_not_answered_is_repeated_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    own, beats = beating(Unavailable("The database"), ValueError(), [(1, None)], [(1, None)])
    pauses: list[float] = []
    ended = asyncio.Event()

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) > 4:
            ended.set()
            await asyncio.Event().wait()

    begin(own, Worker(1), [])
    monkeypatch.setattr(asyncio, "sleep", sleep)
    async with own.beating():
        await ended.wait()
    assert pauses == [HEARTBEAT_SECONDS, RETRY_SECONDS, *[HEARTBEAT_SECONDS] * 3]
    assert len(beats.asked) == 4
