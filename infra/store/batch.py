"""A batch of appends as the function `append_events` takes it, and its verdicts."""

from functools import cache
from itertools import count
from uuid import UUID

import msgspec
from psycopg.pq.abc import PGresult

from infra.sealing.keyring import WrappedKey
from infra.store.arrays import Array, BigInts, Blobs, Bools, Ints, Texts, Uuids, UuidsByInt, texts_in

APPEND = f"SELECT head, verdicts FROM append_events({', '.join(['%b'] * 30)})"  # noqa: S608
"""For a cursor of the driver, with the `parameters_of` a batch."""


class NewEvent(msgspec.Struct, frozen=True):
    """An event as it is to be stored."""

    id: UUID
    stream_id: UUID
    version: int
    topic: str
    class_version: int
    state: bytes


class ClaimChange(msgspec.Struct, frozen=True):
    """A claim to take or to release, by its digest."""

    kind: str
    digest: bytes
    stream_id: UUID
    release: bool


class Record(msgspec.Struct, frozen=True):
    """An idempotency record with its answer sealed."""

    key: bytes
    fingerprint: bytes
    subject_id: UUID
    answer: bytes


class Request(msgspec.Struct, frozen=True):
    """One append: all of it or nothing. `expected` is the version each stream had when the request was decided, by the
    integer that its id stands for."""

    expected: dict[int, int]
    events: list[NewEvent]
    claims: list[ClaimChange] = []
    keys: list[WrappedKey] = []
    record: Record | None = None
    actor_id: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None

    def touches(self) -> list[object]:
        """What no other request of the same batch may touch."""
        things: list[object] = [*self.expected]
        if self.claims:
            things += [(claim.kind, claim.digest) for claim in self.claims]
        if self.keys:
            things += [("key", key.subject_id.int) for key in self.keys]
        if self.record is not None:
            things.append(self.record.key)
        return things

    def reached(self, stream: int) -> int:
        """The version that one of its streams has after it."""
        return max(event.version for event in self.events if event.stream_id.int == stream)

    def size(self) -> int:
        """Payload in bytes."""
        return sum([len(event.state) for event in self.events]) + (len(self.record.answer) if self.record else 0)


class Verdict(msgspec.Struct, frozen=True):
    """What became of a request. `word` is `ok`, `replayed`, `conflict`, `taken:<kind>` or `rekey`."""

    word: str
    position: int


def parameters_of(requests: list[Request]) -> list[int | Array]:
    """All parameters of the function: the number of requests, and the arrays."""
    return [len(requests), *[array for group in arrays_of(requests) for array in group]]


def call_of(requests: list[Request]) -> tuple[bytes, list[bytes]]:
    """The statement for a batch, and its parameters in binary. Arrays that are empty are not sent: most are."""
    groups = arrays_of(requests)
    statement = _append_with(tuple([(len(group), bool(group[0].values)) for group in groups]))
    arrays = [array.dump() for group in groups if group[0].values for array in group]
    return statement, [len(requests).to_bytes(4, "big"), *arrays]


@cache
def _append_with(groups: tuple[tuple[int, bool], ...]) -> bytes:
    """For groups of so many arrays, and whether they are sent."""
    numbers = count(2)
    arrays = [f"${next(numbers)}" if sent else "'{}'" for width, sent in groups for _ in range(width)]
    return f"SELECT head, verdicts FROM append_events($1, {', '.join(arrays)})".encode()  # noqa: S608


def verdicts_of(requests: list[Request], result: PGresult) -> list[Verdict]:
    """What the function answered, in binary, for each of the requests."""
    head, words = result.get_value(0, 0), result.get_value(0, 1)
    assert head is not None
    assert words is not None
    first = last = int.from_bytes(head, "big")
    verdicts = []
    for request, word in zip(requests, texts_in(words), strict=True):
        if word == "ok":
            last += len(request.events)
        position = last if request.events else first
        verdicts.append(Verdict(word, position if word == "ok" else 0))
    return verdicts


def arrays_of(requests: list[Request]) -> list[list[Array]]:
    """The batch as the function's parallel arrays: of streams, events, claims, keys and records."""
    numbered = list(enumerate(requests, 1))
    streams = [(n, stream, version) for n, r in numbered for stream, version in r.expected.items()]
    events = [(n, e, r) for n, r in numbered for e in r.events]
    claims = [(n, claim) for n, r in numbered for claim in r.claims]
    keys = [(n, key) for n, r in numbered for key in r.keys]
    records = [(n, r.record, r.events[-1] if r.events else None) for n, r in numbered if r.record is not None]
    return [
        [
            Ints([n for n, _, _ in streams]),
            UuidsByInt([stream for _, stream, _ in streams]),
            BigInts([version for _, _, version in streams]),
        ],
        [
            Ints([n for n, _, _ in events]),
            Uuids([e.stream_id for _, e, _ in events]),
            BigInts([e.version for _, e, _ in events]),
            Texts([e.topic for _, e, _ in events]),
            Blobs([e.state for _, e, _ in events]),
            Uuids([e.id for _, e, _ in events]),
            Ints([e.class_version for _, e, _ in events]),
            Uuids([r.actor_id for _, _, r in events]),
            Uuids([r.correlation_id for _, _, r in events]),
            Uuids([r.causation_id for _, _, r in events]),
        ],
        [
            Ints([n for n, _ in claims]),
            Texts([c.kind for _, c in claims]),
            Blobs([c.digest for _, c in claims]),
            Uuids([c.stream_id for _, c in claims]),
            Bools([c.release for _, c in claims]),
        ],
        [
            Ints([n for n, _ in keys]),
            Uuids([k.subject_id for _, k in keys]),
            Blobs([k.wrapped for _, k in keys]),
            Texts([k.kek_id for _, k in keys]),
        ],
        [
            Ints([n for n, _, _ in records]),
            Blobs([r.key for _, r, _ in records]),
            Blobs([r.fingerprint for _, r, _ in records]),
            Uuids([r.subject_id for _, r, _ in records]),
            Blobs([r.answer for _, r, _ in records]),
            Uuids([e and e.stream_id for _, _, e in records]),
            BigInts([e and e.version for _, _, e in records]),
        ],
    ]
