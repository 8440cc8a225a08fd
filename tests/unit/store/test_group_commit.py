"""Group commit: appends share a statement, each has an outcome of its own, and an unknown one is said to be unknown."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application.ports import OutcomeUnknown, Unavailable
from infra.postgres.arrays import Texts
from infra.postgres.pipeline import ConnectionLost
from infra.store import group_commit
from infra.store.append_batch import AppendOutcome, AppendRequest, AppendStatus, NewEvent
from infra.store.group_commit import FIND_EVENT, GroupCommitter
from tests.support.waiting import MAX_WAIT_SECONDS

OK, CONFLICT = AppendStatus.OK, AppendStatus.CONFLICT


class Rows:
    """A result in binary."""

    def __init__(self, *values: bytes) -> None:
        self.values, self.ntuples = values, int(bool(values))

    def get_value(self, row: int, column: int) -> bytes:
        return self.values[column]


def answer(head: int, *verdicts: str) -> Rows:
    """What `append_events` answers."""
    return Rows(head.to_bytes(8, "big"), Texts(verdicts).dump())


class Connection:
    """A session and its pipeline: `answers` are given in order, and kept back while `held`."""

    def __init__(self) -> None:
        self.pipeline: Connection | None = self
        self.answers: deque[Rows | Exception] = deque()
        self.statements: list[bytes] = []
        self.sizes: list[int] = []
        self.held: list[asyncio.Future[Any]] | None = None
        self.closings = 0

    async def connected(self) -> "Connection":
        if isinstance(self.answers[0], Unavailable):
            raise self.answers.popleft()  # type: ignore[misc]
        return self

    def execute(self, statement: bytes, parameters: Sequence[bytes]) -> "asyncio.Future[Any]":
        self.statements.append(statement)
        self.sizes.append(int.from_bytes(parameters[0], "big") if statement != FIND_EVENT else 0)
        future = asyncio.get_running_loop().create_future()
        if self.held is None:
            self.give(future)
        else:
            self.held.append(future)
        return future

    def give(self, future: "asyncio.Future[Any]") -> None:
        found = self.answers.popleft()
        if isinstance(found, Exception):
            future.set_exception(found)
        else:
            future.set_result(found)

    def let_go(self) -> None:
        """Give what was kept back, and keep nothing back any more."""
        held, self.held = self.held or [], None
        for future in held:
            self.give(future)

    def close(self) -> None:
        self.closings += 1


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    made = Connection()
    monkeypatch.setattr(group_commit, "PipelineSession", lambda *_: made)
    return made


def request(stream: int, version: int = 1) -> AppendRequest:
    event = NewEvent(UUID(int=stream), version, "note.written", b"state")
    return AppendRequest({stream: version - 1}, [event])


async def append(*requests: AppendRequest) -> list[AppendOutcome | BaseException]:
    """Append all at once."""
    committer = GroupCommitter("")
    async with asyncio.timeout(MAX_WAIT_SECONDS):
        return await asyncio.gather(*map(committer.append, requests), return_exceptions=True)


async def test_appends_of_one_moment_share_a_statement(connection: Connection) -> None:
    connection.answers.append(answer(4, "ok", "conflict", "ok"))
    found = await append(request(1), request(2), request(3))
    assert found == [AppendOutcome(OK, 5), AppendOutcome(CONFLICT), AppendOutcome(OK, 6)]
    assert connection.sizes == [3]


async def test_what_comes_while_a_batch_is_written_goes_with_the_next(connection: Connection) -> None:
    connection.held = []
    committer = GroupCommitter("")
    first = asyncio.create_task(committer.append(request(1)))
    second = asyncio.create_task(committer.append(request(1, version=2)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert connection.sizes == [1]
    connection.answers += [answer(0, "ok"), answer(1, "ok")]
    connection.let_go()
    assert [await first, await second] == [AppendOutcome(OK, 1), AppendOutcome(OK, 2)]
    assert connection.sizes == [1, 1]


async def test_what_expects_a_version_that_has_just_gone_is_not_sent(connection: Connection) -> None:
    connection.answers.append(answer(0, "ok"))
    assert await append(request(1), request(1)) == [AppendOutcome(OK, 1), AppendOutcome(CONFLICT)]
    assert connection.sizes == [1]


async def test_a_batch_whose_answer_was_lost_is_sent_again_and_what_was_written_is_found(
    connection: Connection,
) -> None:
    connection.answers += [
        ConnectionLost("gone"),
        answer(9, "conflict", "ok", "conflict", "conflict"),
        Rows((7).to_bytes(8, "big")),
        Rows(),
    ]
    found = await append(request(1), request(2), request(3), AppendRequest({4: 0}, []))
    assert found == [AppendOutcome(OK, 7), AppendOutcome(OK, 10), AppendOutcome(CONFLICT), AppendOutcome(CONFLICT)]
    assert connection.statements[2:] == [FIND_EVENT] * 2


@pytest.mark.parametrize("second", [ConnectionLost("gone"), Unavailable("It"), psycopg.OperationalError("full")])
async def test_of_a_batch_with_an_unknown_outcome_no_append_is_said_to_have_changed_nothing(
    connection: Connection, second: Exception
) -> None:
    connection.answers += [ConnectionLost("gone"), second]
    assert [type(each) for each in await append(request(1), request(2), request(3))] == [OutcomeUnknown] * 3


async def test_a_search_that_fails_leaves_the_outcome_unknown_for_all(connection: Connection) -> None:
    connection.answers += [ConnectionLost("gone"), answer(9, "ok", "conflict"), ConnectionLost("gone again")]
    assert [type(each) for each in await append(request(1), request(2))] == [OutcomeUnknown] * 2


async def test_a_batch_that_the_server_rolled_back_has_changed_nothing(connection: Connection) -> None:
    connection.answers.append(psycopg.OperationalError("disk full"))
    assert [type(each) for each in await append(request(1), request(2))] == [Unavailable] * 2


async def test_without_a_connection_nothing_was_changed(connection: Connection) -> None:
    connection.pipeline = None
    connection.answers.append(Unavailable("The database"))
    assert [type(each) for each in await append(request(1), request(2))] == [Unavailable] * 2
    assert connection.statements == []


async def test_a_statement_that_is_refused_fails_the_request_that_causes_it_alone(connection: Connection) -> None:
    refused = psycopg.errors.CheckViolation("no")
    connection.answers += [refused, answer(0, "ok"), refused, answer(1, "ok")]
    first, broken, last = await append(request(1), request(2), request(3))
    assert (first, broken, last) == (AppendOutcome(OK, 1), refused, AppendOutcome(OK, 2))
    assert connection.sizes == [3, 1, 1, 1]


async def test_a_request_that_cannot_be_encoded_is_refused_and_the_next_one_goes(connection: Connection) -> None:
    committer = GroupCommitter("")
    broken = AppendRequest({1: 0}, [NewEvent(UUID(int=1), 2**70, "note.written", b"")])
    with pytest.raises(Exception, match=r"int too large|format requires"):
        await committer.append(broken)
    connection.answers.append(answer(0, "ok"))
    assert await committer.append(request(1)) == AppendOutcome(OK, 1)


async def test_a_caller_that_gave_up_holds_up_no_other(connection: Connection) -> None:
    connection.held = []
    committer = GroupCommitter("")
    gone, waiting = (asyncio.create_task(committer.append(request(n))) for n in (1, 2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gone.cancel()
    connection.answers.append(answer(0, "ok", "ok"))
    connection.let_go()
    assert await waiting == AppendOutcome(OK, 2)
    connection.answers.append(answer(2, "ok"))
    assert await committer.append(request(1, version=2)) == AppendOutcome(OK, 3)


async def test_each_batch_is_counted_with_its_events(connection: Connection) -> None:
    seen: list[tuple[int, int]] = []
    committer = GroupCommitter("", lambda requests, events, seconds: seen.append((requests, events)))
    connection.answers.append(answer(0, "ok", "ok"))
    await asyncio.gather(committer.append(request(1)), committer.append(AppendRequest({2: 0}, [])))
    assert seen == [(2, 1)]


async def test_a_batch_that_is_sent_again_is_counted_once(connection: Connection) -> None:
    seen: list[tuple[int, int]] = []
    committer = GroupCommitter("", lambda requests, events, seconds: seen.append((requests, events)))
    connection.answers += [ConnectionLost("gone"), answer(0, "ok", "ok")]
    await asyncio.gather(committer.append(request(1)), committer.append(AppendRequest({2: 0}, [])))
    assert seen == [(2, 1)]


async def test_after_a_batch_that_was_sent_again_the_next_ones_go_and_stopping_ends(connection: Connection) -> None:
    committer = GroupCommitter("")
    connection.answers += [ConnectionLost("gone"), answer(0, "ok"), answer(1, "ok"), answer(2, "ok")]
    async with asyncio.timeout(MAX_WAIT_SECONDS):
        found = [await committer.append(request(n)) for n in (1, 2, 3)]
        await committer.stop()
    assert found == [AppendOutcome(OK, 1), AppendOutcome(OK, 2), AppendOutcome(OK, 3)]
    assert connection.closings == 1


async def test_stopping_waits_for_what_is_being_written(connection: Connection) -> None:
    connection.held = []
    committer = GroupCommitter("")
    appending = asyncio.create_task(committer.append(request(1)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    stopping = asyncio.create_task(committer.stop())
    await asyncio.sleep(0)
    assert connection.closings == 0
    connection.answers.append(answer(0, "ok"))
    connection.let_go()
    await stopping
    assert connection.closings == 1
    assert await appending == AppendOutcome(OK, 1)
