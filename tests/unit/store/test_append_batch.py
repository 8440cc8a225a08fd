"""A batch of appends: what conflicts, what is sent to `append_events`, and what its answer means for each request."""

from typing import cast
from uuid import UUID

import pytest
from psycopg.pq.abc import PGresult

from infra.postgres.arrays import Array, Texts
from infra.sealing.keyring import WrappedKey
from infra.store.append_batch import (
    AppendOutcome,
    AppendRequest,
    AppendStatus,
    ClaimChange,
    IdempotencyRecord,
    KeyErasure,
    NewEvent,
    decode_outcomes,
    encode_call,
    encode_parameters,
)
from tests.support.given import NOW

ONE, TWO, SUBJECT = UUID(int=1), UUID(int=2), UUID(int=3)
RECORD = IdempotencyRecord(b"key", b"print", SUBJECT, ONE, 1, b"answer")


def event(stream: UUID, version: int, state: bytes = b"state") -> NewEvent:
    return NewEvent(stream, version, "note.written", state)


class Result:
    """An answer of `append_events`, in binary."""

    def __init__(self, head: int, *verdicts: str) -> None:
        self.values = (head.to_bytes(8, "big"), Texts(verdicts).dump())

    def get_value(self, row: int, column: int) -> bytes:
        assert row == 0
        return self.values[column]


def outcomes(requests: list[AppendRequest], head: int, *verdicts: str) -> list[AppendOutcome]:
    return decode_outcomes(requests, cast(PGresult, Result(head, *verdicts)))


def test_streams_claims_data_keys_and_the_idempotency_key_conflict() -> None:
    request = AppendRequest(
        {1: 0, 2: 5},
        [],
        claims=[ClaimChange("email", b"digest", ONE, release=False)],
        keys=[WrappedKey(SUBJECT, b"wrapped", "kek")],
        record=RECORD,
        erasures=[KeyErasure(TWO, NOW, b"receipt")],
    )
    assert request.conflict_keys() == [1, 2, ("email", b"digest"), ("key", 3), ("key", 2), b"key"]


def test_a_stream_has_the_version_of_its_last_event_afterwards() -> None:
    request = AppendRequest({1: 0, 2: 5}, [event(ONE, 1), event(ONE, 2), event(TWO, 6)])
    assert (request.version_after(1), request.version_after(2)) == (2, 6)


def test_the_size_is_that_of_the_events_and_the_answer() -> None:
    events = [event(ONE, 1, b"12345"), event(ONE, 2, b"123")]
    assert AppendRequest({1: 0}, events).size() == 8
    assert AppendRequest({1: 0}, events, record=RECORD).size() == 14


def test_a_request_that_is_written_gets_the_position_of_its_last_event() -> None:
    requests = [AppendRequest({1: 0}, [event(ONE, 1), event(ONE, 2)]), AppendRequest({2: 0}, [event(TWO, 1)])]
    assert outcomes(requests, 10, "ok", "ok") == [
        AppendOutcome(AppendStatus.OK, 12),
        AppendOutcome(AppendStatus.OK, 13),
    ]


def test_a_request_without_events_gets_the_position_before_the_batch() -> None:
    requests = [AppendRequest({1: 0}, [event(ONE, 1)]), AppendRequest({}, [], record=RECORD)]
    assert outcomes(requests, 10, "ok", "ok")[1] == AppendOutcome(AppendStatus.OK, 10)


@pytest.mark.parametrize(
    ("verdict", "outcome"),
    [
        ("replayed", AppendOutcome(AppendStatus.REPLAYED)),
        ("conflict", AppendOutcome(AppendStatus.CONFLICT)),
        ("rekey", AppendOutcome(AppendStatus.REKEY)),
        ("taken:team slug", AppendOutcome(AppendStatus.TAKEN, 0, "team slug")),
    ],
)
def test_a_request_that_is_not_written_takes_no_position(verdict: str, outcome: AppendOutcome) -> None:
    requests = [AppendRequest({1: 0}, [event(ONE, 1)]), AppendRequest({2: 0}, [event(TWO, 1)])]
    assert outcomes(requests, 10, verdict, "ok") == [outcome, AppendOutcome(AppendStatus.OK, 11)]


def test_rows_say_which_request_they_are_of() -> None:
    requests = [
        AppendRequest({1: 0}, [event(ONE, 1)], claims=[ClaimChange("email", b"digest", ONE, release=True)]),
        AppendRequest(
            {2: 4}, [event(TWO, 5)], keys=[WrappedKey(SUBJECT, b"w", "kek")], record=RECORD,
            erasures=[KeyErasure(TWO, NOW, b"receipt")],
        ),
    ]  # fmt: skip
    number, *arrays = encode_parameters(requests)
    assert number == 2
    assert [list(array.values) for array in cast(list[Array], arrays)] == [
        [1, 2], [1, 2], [0, 4],
        [1, 2], [ONE, TWO], [1, 5], ["note.written"] * 2, [b"state"] * 2,
        [1], ["email"], [b"digest"], [ONE], [True],
        [2], [SUBJECT], [b"w"], ["kek"],
        [2], [b"key"], [b"print"], [SUBJECT], [ONE], [1], [b"answer"],
        [2], [TWO], [NOW], [b"receipt"],
    ]  # fmt: skip


def test_groups_of_arrays_without_rows_are_not_sent() -> None:
    statement, parameters = encode_call([AppendRequest({1: 0}, [event(ONE, 1)])])
    assert statement == (
        b"SELECT head, verdicts FROM append_events($1, $2, $3, $4, $5, $6, $7, $8, $9, "
        + b", ".join([b"'{}'"] * 20)
        + b")"
    )
    assert (parameters[0], len(parameters)) == (b"\x00\x00\x00\x01", 9)
