"""What each request of a batch is told when the connection breaks or the database refuses the batch."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg
import pytest

from application.ports import OutcomeUnknown, Unavailable
from infra.postgres.pipeline import ConnectionLost
from infra.store.append_batch import CONFLICT, AppendOutcome, AppendRequest, AppendStatus, NewEvent
from infra.store.group_commit import FIND_EVENT, GroupCommitter

LOST = ConnectionLost("lost")
FULL = psycopg.errors.DiskFull("full")
REFUSED = psycopg.errors.DataError("refused")
OFFLINE = Unavailable("The database")
OK = AppendOutcome(AppendStatus.OK, 5)


class Server:
    """A session and its connection. Each attempt to append takes the next step: outcomes, or an error.

    `OFFLINE` fails the attempt to connect. `committed`: the streams whose events are found in the log, at position 9.
    """

    def __init__(self, *steps: Exception | list[AppendOutcome], committed: Sequence[int] = ()) -> None:
        self.steps = list(steps)
        self.committed = committed

    @property
    def pipeline(self) -> "Server | None":
        """The open connection: none, before an attempt to connect that fails."""
        return None if self.steps[:1] == [OFFLINE] else self

    async def connected(self) -> "Server":
        """The open connection."""
        if self.pipeline is None:
            raise self.steps.pop(0)  # type: ignore[misc]
        return self

    def execute(self, statement: bytes, parameters: list[bytes]) -> "asyncio.Future[Any]":
        """Answer at the next iteration of the loop."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if statement == FIND_EVENT:
            answer.set_result(Found(UUID(bytes=parameters[0]).int in self.committed))
        elif isinstance(step := self.steps.pop(0), Exception):
            answer.set_exception(step)
        else:
            answer.set_result(step)
        return answer

    def close(self) -> None:
        """Close the connection."""


class Found:
    """The position of an event, if it is in the log."""

    def __init__(self, found: bool) -> None:
        self.ntuples = int(found)

    def get_value(self, row: int, column: int) -> bytes:
        """Return the position 9."""
        return (9).to_bytes(8, "big")


async def told(patched: pytest.MonkeyPatch, server: Server, requests: int = 3) -> list[object]:
    """Append requests that share a batch. Returns their outcomes: positions, statuses or types of errors."""
    patched.setattr("infra.store.group_commit.PipelineSession", lambda *_: server)
    patched.setattr("infra.store.group_commit.decode_outcomes", lambda _, result: result)
    committer = GroupCommitter("")
    ids = [UUID(int=n + 1) for n in range(requests)]
    outcomes = await asyncio.gather(
        *(committer.append(AppendRequest({id.int: 0}, [NewEvent(id, 1, "note.written", b"state")])) for id in ids),
        return_exceptions=True,
    )
    await committer.stop()
    assert server.steps == []
    return [type(each) if isinstance(each, BaseException) else each.position or each.status for each in outcomes]


UNKNOWN = [OutcomeUnknown] * 3


@pytest.mark.parametrize("second", [LOST, OFFLINE, FULL, REFUSED], ids=lambda error: type(error).__name__)
async def test_after_a_lost_answer_and_a_failed_attempt_the_outcome_of_all_is_unknown(
    second: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await told(monkeypatch, Server(LOST, second)) == UNKNOWN


async def test_after_a_lost_answer_those_that_are_in_the_log_are_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(LOST, [CONFLICT, OK, CONFLICT], committed=[1])
    assert await told(monkeypatch, server) == [9, 5, AppendStatus.CONFLICT]


@pytest.mark.parametrize("first", [OFFLINE, FULL], ids=lambda error: type(error).__name__)
async def test_if_nothing_can_have_been_written_the_database_is_unavailable_for_all(
    first: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await told(monkeypatch, Server(first)) == [Unavailable] * 3


async def test_a_refused_batch_is_written_one_by_one_and_each_has_its_own_outcome(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = Server(REFUSED, [OK], REFUSED, LOST, LOST)
    assert await told(monkeypatch, server) == [5, psycopg.errors.DataError, OutcomeUnknown]


async def test_a_refused_request_alone_has_the_error_of_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await told(monkeypatch, Server(REFUSED), requests=1) == [psycopg.errors.DataError]
