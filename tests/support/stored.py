"""Bytes of events, encoded for tests as the store does it, or by hand."""

from typing import Any
from uuid import UUID

import msgspec

from domain.kernel import Party, Root
from infra.sealing.keyring import Keys, SealingKeys
from infra.store.codec import decode, decode_as_erased, layout_of
from infra.store.event_bytes import call_header, frame_of, header, place_of, stamped, tenant_bytes, with_clear
from tests.support.stores import CALL, STAMPS

EVENT_ID = UUID(int=5)
TENANT = Party("user", UUID(int=7))


def metadata(class_version: int = 1) -> bytes:
    """The metadata of an event of `CALL`."""
    return header(call_header(CALL), EVENT_ID.bytes, class_version, tenant_bytes(TENANT))


def encoded(event: Root.Event, keys: SealingKeys) -> bytes:
    """The bytes of an event."""
    layout = layout_of(type(event))
    return layout.encode(event, metadata(layout.version), keys, STAMPS)


def by_hand(topic: str, stream_id: UUID, version: int, clear: dict[str, Any], *, class_version: int = 1) -> bytes:
    """The bytes of an event with these clear fields, which fit its class or not, and no sealed ones."""
    content = with_clear(metadata(class_version), msgspec.msgpack.Encoder(uuid_format="bytes").encode(clear))
    return stamped(frame_of(topic), place_of(stream_id, version), content, STAMPS)


def decoded(topic: str, stored: bytes, stream_id: UUID, version: int, keys: Keys | None = None) -> Root.Event:
    """The event of these bytes, without keys as if they were erased."""
    if keys is None:
        return decode_as_erased(topic, stored, stream_id, version, STAMPS)
    return decode(topic, stored, stream_id, version, keys, STAMPS)
