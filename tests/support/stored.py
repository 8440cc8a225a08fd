"""Bytes of events, encoded for tests as the store does it, or by hand."""

from typing import Any
from uuid import UUID

import msgspec

from domain.kernel import Party, Root
from infra.sealing.keyring import Keys, SealingKeys
from infra.store.codec import decode, decode_as_erased, layout_of
from infra.store.event_bytes import LENGTH_BYTES, bind, call_header, frame_of, stamped, tenant_bytes
from tests.support.stores import CALL, STAMPS

EVENT_ID = UUID(int=5).bytes
TENANT = tenant_bytes(Party("user", UUID(int=7)))
HEADER = call_header(CALL)


def encoded(event: Root.Event, keys: SealingKeys) -> bytes:
    """The bytes of an event."""
    return layout_of(type(event)).encode(event, EVENT_ID, TENANT, HEADER, keys, STAMPS)


def by_hand(
    topic: str, stream_id: UUID, version: int, clear: dict[str, Any], *, class_version: int = 1, sealed: int = 0
) -> bytes:
    """The bytes of an event with these clear fields, which fit its class or not, and `sealed` empty sealed parts."""
    frame, fields = frame_of(topic), msgspec.msgpack.Encoder(uuid_format="bytes").encode(clear)
    bound = bind(frame, stream_id, version, class_version, EVENT_ID, TENANT, HEADER, fields)
    return stamped(bound + bytes(LENGTH_BYTES) * sealed, frame, STAMPS)


def decoded(topic: str, stored: bytes, stream_id: UUID, version: int, keys: Keys | None = None) -> Root.Event:
    """The event of these bytes, without keys as if they were erased."""
    if keys is None:
        return decode_as_erased(topic, stored, stream_id, version, STAMPS, 1)
    return decode(topic, stored, stream_id, version, keys, STAMPS, 1)
