"""Stored bytes of answers to keyed requests. They cannot be swapped, moved to another record, or changed unnoticed.

    format (1) | kind (1) | time (8, microseconds since 1970) | digest of the body (16) | stamp (20) | body

The stamp under the store key binds all bytes before it to the record: key, fingerprint, subject, stream and version.
The body of a reference has the topic, id and version of an aggregate. The body of a copy is sealed under the data key
of the record's subject; that of a secret is cut off after some minutes (`infra/jobs/housekeeping.py`).
"""

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple
from uuid import UUID

import msgspec
from eventsourcing.utils import get_topic, resolve_topic

from application.ports import Copy, Idempotency, KeptAnswer, Reference, StoredResponse
from domain.kernel import NotFound
from infra.sealing.damage import report_damage
from infra.sealing.keyring import DataKey, ErasedKey, KeyErased, Keyring
from infra.sealing.store_keys import FORMAT, STAMP_BYTES, Damage, Purpose, framed
from infra.store.snapshot_codec import is_personal

CONTEXT_BYTES = 10
DIGEST_BYTES = 16
STAMPED_BYTES = CONTEXT_BYTES + DIGEST_BYTES
HEADER_BYTES = STAMPED_BYTES + STAMP_BYTES
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class AnswerKind(IntEnum):
    """The second byte of an answer."""

    NOTHING = 1
    REFERENCE = 2
    COPY = 3
    SECRET = 4


class StoredAnswer(NamedTuple):
    """A row of the table `idempotency`, and the position of the event that it names: None if the log lacks it."""

    key: bytes
    fingerprint: bytes
    subject_id: UUID
    stream_id: UUID
    version: int
    answer: bytes
    position: int | None


class AnswerCodec:
    """Encodes answers and decodes them."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def encode(self, record: Idempotency, key: DataKey | None) -> bytes:
        """Return the bytes to store. `key`: the data key of the record's subject, which only copies need."""
        kind = _kind_of(record.answer)
        time = (record.time - _EPOCH) // _MICROSECOND
        context = bytes((FORMAT, kind)) + time.to_bytes(8, "big", signed=True)
        body = b""
        if isinstance(record.answer, Reference):
            reference = record.answer
            body = msgspec.msgpack.encode((get_topic(reference.kind), reference.id.bytes, reference.version))
        elif isinstance(record.answer, Copy):
            assert key is not None
            assert record.answer.encoded is not None
            body = key.seal(record.answer.encoded, _bound(record, context))
        stamped = context + _digest(body)
        return stamped + self._keyring.stamps.stamp(_bound(record, stamped)) + body

    async def decode(self, stored: StoredAnswer) -> StoredResponse:
        """Return the response that a record keeps.

        Raises:
            NotFound: the subject of the answer has been erased since.
            Damage: the record is not as it was written, or a data key is missing or damaged.
        """
        try:
            return await self._decode(stored)
        except Damage as damage:
            report_damage("answer", record=stored.key.hex(), reason=str(damage))
            raise

    async def _decode(self, stored: StoredAnswer) -> StoredResponse:
        stamped, stamp = stored.answer[:STAMPED_BYTES], stored.answer[STAMPED_BYTES:HEADER_BYTES]
        body = stored.answer[HEADER_BYTES:]
        if stamped[:1] != bytes((FORMAT,)):
            raise Damage("the format of the answer is not known")
        if stored.position is None:
            raise Damage("the log lacks the event that the record names")
        self._keyring.stamps.check(stamp, _bound(stored, stamped), stored.position)
        kind = AnswerKind(stamped[1])
        is_cut = kind is AnswerKind.SECRET and not body
        if not is_cut and not hmac.compare_digest(_digest(body), stamped[CONTEXT_BYTES:]):
            raise Damage("the answer is not the one that was stamped")
        time = _EPOCH + int.from_bytes(stamped[2:CONTEXT_BYTES], "big", signed=True) * _MICROSECOND
        kept: KeptAnswer = None
        if is_cut:
            kept = Copy(None, secret=True)
        elif kind is AnswerKind.REFERENCE:
            kept = await self._reference(body)
        elif kind in {AnswerKind.COPY, AnswerKind.SECRET}:
            encoded = await self._unsealed(stored, stamped[:CONTEXT_BYTES], body)
            kept = Copy(encoded, kind is AnswerKind.SECRET)
        return StoredResponse(stored.fingerprint, kept, time, stored.position)

    async def _reference(self, body: bytes) -> Reference:
        topic, id, version = msgspec.msgpack.decode(body)
        reference = Reference(resolve_topic(topic), UUID(bytes=id), version)
        if is_personal(reference.kind):
            key = await self._key(reference.id)
            if isinstance(key, ErasedKey):
                raise _erased()
        return reference

    async def _unsealed(self, stored: StoredAnswer, context: bytes, body: bytes) -> bytes:
        key = await self._key(stored.subject_id)
        try:
            return key.unseal(body, _bound(stored, context))
        except KeyErased:
            raise _erased() from None

    async def _key(self, subject_id: UUID) -> DataKey | ErasedKey:
        key = await self._keyring.get(subject_id)
        if key is None:
            raise Damage("the data key of an answer is missing")
        return key


def _kind_of(answer: KeptAnswer) -> AnswerKind:
    if answer is None:
        return AnswerKind.NOTHING
    if isinstance(answer, Reference):
        return AnswerKind.REFERENCE
    return AnswerKind.SECRET if answer.secret else AnswerKind.COPY


def _bound(record: Idempotency | StoredAnswer, part: bytes) -> bytes:
    """Return a part of an answer with the record that it belongs to."""
    named = record.subject_id.bytes + record.stream_id.bytes + record.version.to_bytes(8, "big")
    return framed(Purpose.ANSWER, record.key, record.fingerprint, named, part)


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def _erased() -> NotFound:
    return NotFound("What this Idempotency-Key was used for has been erased.")
