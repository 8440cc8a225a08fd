"""A batch of appends, encoded for the SQL function `append_events`, and the outcomes decoded from its answer."""

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from functools import cache
from itertools import chain, count
from typing import Any
from uuid import UUID

import msgspec
from psycopg.pq.abc import PGresult

from infra.postgres.arrays import (
    Array,
    BigInts,
    Blobs,
    Bools,
    Ints,
    Moments,
    Texts,
    Uuids,
    UuidsByInt,
    texts_in,
)
from infra.sealing.keyring import WrappedKey
from infra.store.append_queue import StreamKey

APPEND = f"SELECT head, verdicts FROM append_events({', '.join(['%b'] * 29)})"  # noqa: S608
"""For a cursor of psycopg; its parameters come from `encode_parameters`."""


class NewEvent(msgspec.Struct, frozen=True):
    """An event to be stored. `state`: its bytes (`event_bytes.py`)."""

    stream_id: UUID
    version: int
    topic: str
    state: bytes


class ClaimChange(msgspec.Struct, frozen=True):
    """A claim to take or to release, by the digest of its value."""

    kind: str
    digest: bytes
    stream_id: UUID
    release: bool


class IdempotencyRecord(msgspec.Struct, frozen=True):
    """An idempotency record. `answer`: bytes from `infra/store/answers.py`; for the others see `ports.Idempotency`."""

    key: bytes
    fingerprint: bytes
    subject_id: UUID
    stream_id: UUID
    version: int
    answer: bytes


class KeyErasure(msgspec.Struct, frozen=True):
    """A data key to destroy. `receipt`: the proof that stays (`infra/sealing/receipts.py`)."""

    subject_id: UUID
    erased_at: datetime
    receipt: bytes


class AppendRequest(msgspec.Struct, frozen=True):
    """One append, all or nothing. `expected`: the version each stream had when the request was decided.

    `judged_by`: the same of streams that it does not write, but was judged by.
    """

    expected: dict[StreamKey, int]
    events: list[NewEvent]
    judged_by: dict[StreamKey, int] = {}
    claims: list[ClaimChange] = []
    keys: list[WrappedKey] = []
    record: IdempotencyRecord | None = None
    erasures: list[KeyErasure] = []

    def conflict_keys(self) -> list[object]:
        """Its streams, claims, new data keys and idempotency key: no two requests of one batch may share one."""
        keys: list[object] = [*self.expected]
        if self.claims:
            keys += [(claim.kind, claim.digest) for claim in self.claims]
        if self.keys:
            keys += [("key", key.subject_id.int) for key in self.keys]
        if self.erasures:
            keys += [("key", erasure.subject_id.int) for erasure in self.erasures]
        if self.record is not None:
            keys.append(self.record.key)
        return keys

    def version_after(self, stream: StreamKey) -> int:
        """The version that one of its streams has once the request is written."""
        return max(event.version for event in self.events if event.stream_id.int == stream)

    def size(self) -> int:
        """Payload in bytes."""
        return sum([len(event.state) for event in self.events]) + (len(self.record.answer) if self.record else 0)


class AppendStatus(Enum):
    """The result of a request, by the word that `append_events` answers."""

    OK = "ok"
    REPLAYED = "replayed"
    """A request with the same idempotency key was written before."""
    CONFLICT = "conflict"
    """A stream is not at its expected version."""
    TAKEN = "taken"
    """Another stream holds a claim; the claim's kind follows the word, after a colon."""
    REKEY = "rekey"
    """Another process has just stored a data key for one of the subjects, or a key of this process is closed."""


class AppendOutcome(msgspec.Struct, frozen=True):
    """The outcome of a request. `position`: of its last event if the status is OK, else 0. `claim_kind`: the kind of
    the claim that is taken if the status is TAKEN, else empty."""

    status: AppendStatus
    position: int = 0
    claim_kind: str = ""


CONFLICT = AppendOutcome(AppendStatus.CONFLICT)


def encode_parameters(requests: list[AppendRequest]) -> list[int | Array]:
    """All parameters of `append_events` for a cursor of psycopg: the number of requests, and the arrays."""
    arrays = [array for columns, rows in zip(COLUMNS, _rows_of(requests), strict=True) for array in columns(rows)]
    return [len(requests), *arrays]


def encode_call(requests: list[AppendRequest]) -> tuple[bytes, list[bytes]]:
    """The statement for a batch, and its parameters in binary. Empty arrays are not sent: most are empty."""
    groups = _rows_of(requests)
    parameters = [len(requests).to_bytes(4, "big")]
    for columns, rows in zip(COLUMNS, groups, strict=True):
        if rows:
            parameters += [array.dump() for array in columns(rows)]
    return _append_with(tuple(map(bool, groups))), parameters


@cache
def _append_with(sent: tuple[bool, ...]) -> bytes:
    """The statement that takes the groups of arrays for which `sent` is true."""
    numbers = count(2)
    arrays = [
        f"${next(numbers)}" if is_sent else "'{}'"
        for columns, is_sent in zip(COLUMNS, sent, strict=True)
        for _ in columns([])
    ]
    return f"SELECT head, verdicts FROM append_events($1, {', '.join(arrays)})".encode()  # noqa: S608


def decode_outcomes(requests: list[AppendRequest], result: PGresult) -> list[AppendOutcome]:
    """The outcome of each request, from the binary result of `append_events`."""
    head, verdicts = result.get_value(0, 0), result.get_value(0, 1)
    assert head is not None
    assert verdicts is not None
    first = last = int.from_bytes(head, "big")
    outcomes = []
    for request, verdict in zip(requests, texts_in(verdicts), strict=True):
        if verdict == "ok":
            last += len(request.events)
            outcomes.append(AppendOutcome(AppendStatus.OK, last if request.events else first))
        else:
            word, _, claim_kind = verdict.partition(":")
            outcomes.append(AppendOutcome(AppendStatus(word), 0, claim_kind))
    return outcomes


def _rows_of(requests: list[AppendRequest]) -> list[list[Any]]:
    """The rows of each group of parallel arrays. A row begins with the number of its request, counted from 1."""
    numbered = list(enumerate(requests, 1))
    return [
        [
            (n, stream, version)
            for n, r in numbered
            for stream, version in chain(r.expected.items(), r.judged_by.items())
        ],
        [(n, event) for n, r in numbered for event in r.events],
        [(n, claim) for n, r in numbered for claim in r.claims],
        [(n, key) for n, r in numbered for key in r.keys],
        [(n, r.record) for n, r in numbered if r.record is not None],
        [(n, erasure) for n, r in numbered for erasure in r.erasures],
    ]


def _streams(rows: list[tuple[int, int, int]]) -> list[Array]:
    return [
        Ints([n for n, _, _ in rows]),
        UuidsByInt([stream for _, stream, _ in rows]),
        BigInts([version for _, _, version in rows]),
    ]


def _events(rows: list[tuple[int, NewEvent]]) -> list[Array]:
    return [
        Ints([n for n, _ in rows]),
        Uuids([e.stream_id for _, e in rows]),
        BigInts([e.version for _, e in rows]),
        Texts([e.topic for _, e in rows]),
        Blobs([e.state for _, e in rows]),
    ]


def _claims(rows: list[tuple[int, ClaimChange]]) -> list[Array]:
    return [
        Ints([n for n, _ in rows]),
        Texts([c.kind for _, c in rows]),
        Blobs([c.digest for _, c in rows]),
        Uuids([c.stream_id for _, c in rows]),
        Bools([c.release for _, c in rows]),
    ]


def _keys(rows: list[tuple[int, WrappedKey]]) -> list[Array]:
    return [
        Ints([n for n, _ in rows]),
        Uuids([k.subject_id for _, k in rows]),
        Blobs([k.wrapped for _, k in rows]),
        Texts([k.kek_id for _, k in rows]),
    ]


def _records(rows: list[tuple[int, IdempotencyRecord]]) -> list[Array]:
    return [
        Ints([n for n, _ in rows]),
        Blobs([r.key for _, r in rows]),
        Blobs([r.fingerprint for _, r in rows]),
        Uuids([r.subject_id for _, r in rows]),
        Uuids([r.stream_id for _, r in rows]),
        BigInts([r.version for _, r in rows]),
        Blobs([r.answer for _, r in rows]),
    ]


def _erasures(rows: list[tuple[int, KeyErasure]]) -> list[Array]:
    return [
        Ints([n for n, _ in rows]),
        Uuids([e.subject_id for _, e in rows]),
        Moments([e.erased_at for _, e in rows]),
        Blobs([e.receipt for _, e in rows]),
    ]


COLUMNS: tuple[Callable[[Any], list[Array]], ...] = (_streams, _events, _claims, _keys, _records, _erasures)
"""The groups of parallel arrays that `append_events` takes after the number of requests."""
