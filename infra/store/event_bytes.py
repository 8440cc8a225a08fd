"""The bytes of a stored event, format 1: a stamp, the metadata, the clear fields, the sealed fields.

    format 1 | stamp 20 | length of the clear fields 4 | flags 1 | class version 2 | event id 16 | tenant 17
    | the ids that the flags name, 16 each | traceparent 26, if the flags name it | clear fields
    | for each subject: length 4 | sealed fields

Numbers are big-endian. Tenant: its kind (1 user, 2 team) and its id. Clear fields are a msgpack map, and so are the
personal fields of a subject before they are sealed; fields that are None are left out. Subjects are in the order of the
first field of each in its class.

The stamp is made over purpose, topic, stream, version, and all bytes after it. What is sealed is bound to purpose,
topic, stream, version, metadata and clear fields, and to the name of the field with its subject. So nothing that is
known when an event is written can change unnoticed. Metadata is stored here alone: columns beside it would have to be
fetched and compared at every load.

Encoding and decoding run for every event, so they make few calls.
"""

from functools import lru_cache
from hmac import compare_digest
from struct import Struct
from typing import NamedTuple
from uuid import UUID

import msgspec

from application.ports import CommandContext
from domain.kernel import Party, PartyKind
from infra.sealing.store_keys import FORMAT, STAMP_BYTES, TAG_BYTES, Damage, Purpose, StoreKeys

CONTENT_AT = 1 + STAMP_BYTES
"""The index of the first byte after the stamp."""
FIXED = Struct(">IBH")
"""The first part of the content: length of the clear fields, flags, class version."""
LENGTH_BYTES = 4

_FORMAT = bytes((FORMAT,))
_MAC_AT = 1 + TAG_BYTES
_PLACE_BYTES = 24
_FLAGS_AT = CONTENT_AT + LENGTH_BYTES
_EVENT_ID_AT = CONTENT_AT + FIXED.size
_TENANT_AT = _EVENT_ID_AT + 16
_IDS_AT = _TENANT_AT + 17
_TRACEPARENT_BYTES = 26

_IDS = ("actor_id", "on_behalf_of", "correlation_id", "causation_id")
"""The ids of the metadata; the flag of each is its place: 1, 2, 4, 8."""
_TRACEPARENT_FLAG = 1 << len(_IDS)

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
    """Indexes of parts of a stored event, for the same flags. `ids`: of each id that is there, by name."""

    ids: dict[str, int]
    traceparent: int | None
    clear: int


def _places(flags: int) -> Places:
    at, ids = _IDS_AT, {}
    for place, name in enumerate(_IDS):
        if flags & 1 << place:
            ids[name] = at
            at += 16
    if flags & _TRACEPARENT_FLAG:
        return Places(ids, at, at + _TRACEPARENT_BYTES)
    return Places(ids, None, at)


PLACES = [_places(flags) for flags in range(2 * _TRACEPARENT_FLAG)]
"""The places, by the flags."""
CLEAR_AT = [places.clear for places in PLACES]


class CallHeader(NamedTuple):
    """The part of the metadata that all events of one command share."""

    flags: int
    ids: bytes


def call_header(call: CommandContext) -> CallHeader:
    """Encode what a command's context says about its events."""
    flags, ids = 0, b""
    # Without a loop: this runs for every append.
    if call.actor is not None:
        flags, ids = 1, call.actor.user_id.bytes
    if call.on_behalf_of is not None:
        flags, ids = flags | 2, ids + call.on_behalf_of.bytes
    if call.correlation_id is not None:
        flags, ids = flags | 4, ids + call.correlation_id.bytes
    if call.causation_id is not None:
        flags, ids = flags | 8, ids + call.causation_id.bytes
    if call.traceparent is not None:
        flags, ids = flags | _TRACEPARENT_FLAG, ids + bytes.fromhex(call.traceparent.replace("-", ""))
    return CallHeader(flags, ids)


def tenant_bytes(tenant: Party) -> bytes:
    """Encode a tenant: the code of its kind, and its id."""
    return _KIND_CODES[tenant.kind] + tenant.id.bytes


def frame_of(topic: str) -> bytes:
    """Return the first bytes that the events of a topic are bound to: format, purpose, and the topic with its length.

    The 16 bytes of the stream's id and the 8 bytes of the version follow it, then the content.
    """
    name = topic.encode()
    return bytes((FORMAT, Purpose.EVENT)) + len(name).to_bytes(2, "big") + name


def bind(
    frame: bytes,
    stream_id: UUID,
    version: int,
    class_version: int,
    event_id: bytes,
    tenant: bytes,
    call: CallHeader,
    clear: bytes,
) -> bytes:
    """Return the bytes that sealed fields are bound to: frame, place, metadata, and the clear fields."""
    return b"".join(
        (
            frame,
            (stream_id.int << 64 | version).to_bytes(_PLACE_BYTES, "big"),
            FIXED.pack(len(clear), call.flags, class_version),
            event_id,
            tenant,
            call.ids,
            clear,
        )
    )


def stamped(bound: bytes, frame: bytes, stamps: StoreKeys) -> bytes:
    """Return the bytes to store. `bound`: frame, place and content."""
    mac = stamps.hashes[stamps.tag].copy()
    mac.update(bound)
    return b"".join((_FORMAT, stamps.tag, mac.digest(), bound[len(frame) + _PLACE_BYTES :]))


def check(frame: bytes, stream_id: UUID, version: int, stored: bytes, stamps: StoreKeys, position: int) -> bytes:
    """Check the stamp of a stored event. Returns the bytes under it: frame, place and content.

    Raises:
        Damage: the bytes are not those of an event that was stored in this place.
    """
    if stored[:1] != _FORMAT:
        raise Damage("the format is not known")
    tag = stored[1:_MAC_AT]
    known = stamps.hashes.get(tag) or stamps.find(tag)
    place = (stream_id.int << 64 | version).to_bytes(_PLACE_BYTES, "big")
    bound = b"".join((frame, place, stored[CONTENT_AT:]))
    # As `StoreKeys.check`, without calls: this runs for every event that is read.
    mac = known.copy()
    mac.update(bound)
    if not compare_digest(mac.digest(), stored[_MAC_AT:CONTENT_AT]):
        raise Damage("the stamp does not fit")
    if stamps.retired and position > stamps.retired.get(tag, position):
        raise Damage("the store key was retired before")
    return bound


def sealed_parts(stored: bytes, at: int) -> list[bytes]:
    """Return the sealed parts of a stored event. `at`: the index of the first one's length."""
    parts = []
    while at < len(stored):
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(stored[at:start], "big")
        parts.append(stored[start:at])
    return parts


def metadata_of(stored: bytes) -> Metadata:
    """Decode the metadata of a stored event, whose stamp has been checked."""
    _, flags, class_version = FIXED.unpack_from(stored, CONTENT_AT)
    ids, trace_at, _ = PLACES[flags]
    return Metadata(
        UUID(bytes=stored[_EVENT_ID_AT:_TENANT_AT]),
        class_version,
        tenant_of(stored),
        **{name: UUID(bytes=stored[at : at + 16]) for name, at in ids.items()},
        traceparent=None if trace_at is None else _traceparent(stored[trace_at : trace_at + _TRACEPARENT_BYTES].hex()),
    )


def tenant_of(stored: bytes) -> Party:
    """Decode the tenant of a stored event, whose stamp has been checked."""
    return Party(_KINDS[stored[_TENANT_AT]], UUID(bytes=stored[_TENANT_AT + 1 : _IDS_AT]))


def actor_of(stored: bytes) -> UUID | None:
    """Decode the actor of a stored event, whose stamp has been checked."""
    return _cached_uuid(stored[_IDS_AT : _IDS_AT + 16]) if stored[_FLAGS_AT] & 1 else None


@lru_cache(maxsize=1024)
def _cached_uuid(value: bytes) -> UUID:
    """The UUID of these bytes: making one takes a tenth of decoding an event, and actors return often."""
    return UUID(bytes=value)


def _traceparent(digits: str) -> str:
    return "-".join([digits[:2], digits[2:34], digits[34:50], digits[50:]])
