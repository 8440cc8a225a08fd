"""The bytes of a stored event, format 1: a stamp, the metadata, the clear fields, the sealed fields.

    format 1 | stamp 20 | flags 1 | event id 16 | class version 2 | tenant 17 | the ids that the flags name, 16 each
    | traceparent 26, if the flags name it | length 4 | clear fields | sealed fields

Numbers are big-endian. Tenant: its kind (1 user, 2 team) and its id. Clear fields are a msgpack map. Sealed fields are
one, too: of sealed bytes, by the field with the subject's id; it is absent where a class has none.

The stamp is made over purpose, topic, stream, version, and all bytes after it. What is sealed is bound to purpose,
topic, stream, version, metadata and clear fields. So nothing that is known when an event is written can change
unnoticed. Metadata is stored here alone: columns beside it would have to be fetched and compared at every load.
"""

from functools import cache
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.ports import CommandContext
from domain.kernel import Party, PartyKind
from infra.sealing.store_keys import FORMAT, STAMP_BYTES, Damage, Purpose, StoreKeys

STAMPED_AT = 1 + STAMP_BYTES
"""The index of the first byte after the stamp."""
_FORMAT = bytes((FORMAT,))
_EVENT_ID_AT = STAMPED_AT + 1
_CLASS_VERSION_AT = _EVENT_ID_AT + 16
_TENANT_AT = _CLASS_VERSION_AT + 2
_IDS_AT = _TENANT_AT + 17
_TRACEPARENT_BYTES = 26
_LENGTH_BYTES = 4

_IDS = ("actor_id", "on_behalf_of", "correlation_id", "causation_id")
"""The ids of the metadata; the flag of each is its place: 1, 2, 4, 8."""
_TRACEPARENT_FLAG = 1 << len(_IDS)
_ALL_FLAGS = 2 * _TRACEPARENT_FLAG - 1

_KIND_CODES: dict[PartyKind, bytes] = {"user": b"\x01", "team": b"\x02"}
_KINDS: dict[int, PartyKind] = {code[0]: kind for kind, code in _KIND_CODES.items()}


class Metadata(msgspec.Struct, frozen=True):
    """The circumstances of an event. `traceparent`: W3C Trace Context, as text."""

    event_id: UUID
    class_version: int
    tenant: Party
    actor_id: UUID | None = None
    on_behalf_of: UUID | None = None
    correlation_id: UUID | None = None
    causation_id: UUID | None = None
    traceparent: str | None = None


class Places(NamedTuple):
    """Where the parts of metadata with the same flags are. `ids`: the index of each id that is there, by name."""

    ids: dict[str, int]
    traceparent: int | None
    end: int


class CallHeader(NamedTuple):
    """The part of the metadata that all events of one command share."""

    flags: bytes
    ids: bytes


def frame_of(topic: str) -> bytes:
    """Return the first bytes that the events of a topic are bound to: format, purpose, and the topic with its length.

    The 16 bytes of the stream's id and the 8 bytes of the version follow it.
    """
    name = topic.encode()
    return bytes((FORMAT, Purpose.EVENT)) + len(name).to_bytes(2, "big") + name


def place_of(stream_id: UUID, version: int) -> bytes:
    """Return the place of an event as bytes: the 16 of the stream's id and the 8 of the version."""
    return (stream_id.int << 64 | version).to_bytes(24, "big")


def call_header(call: CommandContext) -> CallHeader:
    """Encode what a command's context says about its events."""
    actor_id = call.actor.user_id if call.actor else None
    flags, parts = 0, []
    for place, id in enumerate((actor_id, call.on_behalf_of, call.correlation_id, call.causation_id)):
        if id is not None:
            flags |= 1 << place
            parts.append(id.bytes)
    if call.traceparent is not None:
        flags |= _TRACEPARENT_FLAG
        parts.append(bytes.fromhex(call.traceparent.replace("-", "")))
    return CallHeader(bytes((flags,)), b"".join(parts))


def tenant_bytes(tenant: Party) -> bytes:
    """Encode a tenant: the code of its kind, and its id."""
    return _KIND_CODES[tenant.kind] + tenant.id.bytes


def header(call: CallHeader, event_id: bytes, class_version: int, tenant: bytes) -> bytes:
    """Encode the metadata of one event."""
    return b"".join([call.flags, event_id, class_version.to_bytes(2, "big"), tenant, call.ids])


def with_clear(metadata: bytes, clear: bytes) -> bytes:
    """Return metadata and clear fields as they are stored."""
    return b"".join([metadata, len(clear).to_bytes(_LENGTH_BYTES, "big"), clear])


def stamped(frame: bytes, place: bytes, content: bytes, stamps: StoreKeys) -> bytes:
    """Return the bytes to store. `content`: everything after the stamp."""
    return b"".join([_FORMAT, stamps.stamp(b"".join([frame, place, content])), content])


class EventParts(NamedTuple):
    """The parts of a stored event. `bound`: the bytes that its sealed fields are bound to; `sealed`: empty where the
    class has none."""

    class_version: int
    bound: bytes
    clear: bytes
    sealed: bytes


def parts_of(frame: bytes, place: bytes, stored: bytes, stamps: StoreKeys, position: int) -> EventParts:
    """Check the stamp, and return the parts.

    Raises:
        Damage: the bytes are not those of an event that was stored in this place.
    """
    if stored[:1] != _FORMAT or len(stored) < _IDS_AT + _LENGTH_BYTES:
        raise Damage("no event of a known format")
    bound = b"".join([frame, place, stored[STAMPED_AT:]])
    stamps.check(stored[1:STAMPED_AT], bound, position)
    clear_at = _places(stored[STAMPED_AT]).end + _LENGTH_BYTES
    end = clear_at + int.from_bytes(stored[clear_at - _LENGTH_BYTES : clear_at], "big")
    return EventParts(
        stored[_CLASS_VERSION_AT] << 8 | stored[_CLASS_VERSION_AT + 1],
        bound[: end - len(stored) or None],
        stored[clear_at:end],
        stored[end:],
    )


def metadata_of(stored: bytes) -> Metadata:
    """Decode the metadata of a stored event, whose stamp has been checked."""
    places = _places(stored[STAMPED_AT])
    at = places.traceparent
    return Metadata(
        UUID(bytes=stored[_EVENT_ID_AT:_CLASS_VERSION_AT]),
        int.from_bytes(stored[_CLASS_VERSION_AT:_TENANT_AT], "big"),
        tenant_of(stored),
        **{name: UUID(bytes=stored[start : start + 16]) for name, start in places.ids.items()},
        traceparent=None if at is None else _traceparent(stored[at : at + _TRACEPARENT_BYTES].hex()),
    )


def tenant_of(stored: bytes) -> Party:
    """Decode the tenant of a stored event, whose stamp has been checked."""
    return Party(_KINDS[stored[_TENANT_AT]], UUID(bytes=stored[_TENANT_AT + 1 : _IDS_AT]))


def actor_of(stored: bytes) -> UUID | None:
    """Decode the actor of a stored event, whose stamp has been checked."""
    return UUID(bytes=stored[_IDS_AT : _IDS_AT + 16]) if stored[STAMPED_AT] & 1 else None


def _traceparent(digits: str) -> str:
    return "-".join([digits[:2], digits[2:34], digits[34:50], digits[50:]])


@cache
def _places(flags: int) -> Places:
    """Where everything is in metadata with these flags.

    Raises:
        Damage: a flag is unknown.
    """
    if flags > _ALL_FLAGS:
        raise Damage("unknown metadata")
    at, ids = _IDS_AT, {}
    for place, name in enumerate(_IDS):
        if flags & 1 << place:
            ids[name] = at
            at += 16
    if flags & _TRACEPARENT_FLAG:
        return Places(ids, at, at + _TRACEPARENT_BYTES)
    return Places(ids, None, at)
