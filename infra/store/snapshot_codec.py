"""Encodes snapshots and decodes them: the attributes of an aggregate, bound to their stream, version and class.

A stored snapshot is a format byte, a stamp under the store key, and a body. The body is a msgpack map of the
attributes, the tenant among them, sealed under the data key of the stream if the aggregate has personal data. UUIDs,
sets, dicts and parties are tagged, so that the decoder restores them without knowing the class.
"""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from application.ports import A
from domain.kernel import Party, Root
from infra.sealing.keyring import DataKey, ErasedKey
from infra.sealing.store_keys import FORMAT, STAMP_BYTES, Damage, Purpose, StoreKeys, framed
from infra.store.codec import STREAM, layout_of

_UUID_TAG, _SET_TAG, _DICT_TAG, _PARTY_TAG = 1, 2, 3, 4
_IDENTITY = ("_id", "_version", "_pending_events")
_BODY = 1 + STAMP_BYTES


class SnapshotLabel(NamedTuple):
    """The stream, version and topic of a snapshot, and its shape: the snapshot version of its class."""

    stream_id: UUID
    version: int
    topic: str
    shape: int

    def frame(self, *body: bytes) -> bytes:
        """Return the bytes that a seal (without a body) or a stamp (with the body) binds."""
        version, shape = self.version.to_bytes(8, "big"), self.shape.to_bytes(2, "big")
        return framed(Purpose.SNAPSHOT, self.stream_id.bytes, version, self.topic.encode(), shape, *body)


@cache
def is_personal(kind: type[Root]) -> bool:
    """Whether the events of the aggregate have personal fields about its own stream."""
    events = [value for value in vars(kind).values() if isinstance(value, type) and hasattr(value, "TOPIC")]
    return any(group.subject == STREAM for event in events for group in layout_of(event).groups)


def pack(root: Root) -> bytes:
    """The attributes of the aggregate, in clear."""
    return msgspec.msgpack.encode({name: _tagged(value) for name, value in vars(root).items() if name not in _IDENTITY})


def encode_snapshot(label: SnapshotLabel, packed: bytes, key: DataKey | None, stamps: StoreKeys) -> bytes:
    """The stored form of a packed aggregate; without a key its body is in clear, which suits no personal data."""
    body = packed if key is None else key.seal(packed, label.frame())
    return bytes((FORMAT,)) + stamps.stamp(label.frame(body)) + body


def decode_snapshot(
    kind: type[A], label: SnapshotLabel, stored: bytes, key: DataKey | ErasedKey | None, stamps: StoreKeys
) -> A:
    """The aggregate at the version of the snapshot.

    Raises:
        Damage: these bytes were not stored as a snapshot with this label.
        KeyErased: the key of the stream has been erased.
    """
    body = check_snapshot(label, stored, stamps)
    plain = body if key is None else key.unseal(body, label.frame())
    root = object.__new__(kind)
    root.__dict__.update(_UNPACK(plain), _id=label.stream_id, _version=label.version, _pending_events=[])
    return root


def check_snapshot(label: SnapshotLabel, stored: bytes, stamps: StoreKeys) -> bytes:
    """The body of a stored snapshot.

    Raises:
        Damage: these bytes were not stored as a snapshot with this label.
    """
    if stored[:1] != bytes((FORMAT,)):
        raise Damage("the format is not known")
    body = stored[_BODY:]
    stamps.check(stored[1:_BODY], label.frame(body))
    return body


def _tagged(value: Any) -> Any:
    if isinstance(value, UUID):
        return msgspec.msgpack.Ext(_UUID_TAG, value.bytes)
    if isinstance(value, set | frozenset):
        return msgspec.msgpack.Ext(_SET_TAG, msgspec.msgpack.encode(sorted(map(_tagged, value), key=repr)))
    if isinstance(value, dict):
        pairs = [[_tagged(key), _tagged(item)] for key, item in value.items()]
        return msgspec.msgpack.Ext(_DICT_TAG, msgspec.msgpack.encode(pairs))
    if isinstance(value, Party):
        return msgspec.msgpack.Ext(_PARTY_TAG, msgspec.msgpack.encode([value.kind, _tagged(value.id)]))
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool | datetime):
        return value
    raise TypeError(f"a snapshot cannot hold {type(value).__name__}")


def _untagged(tag: int, data: memoryview) -> Any:
    if tag == _UUID_TAG:
        return UUID(bytes=bytes(data))
    if tag == _PARTY_TAG:
        return Party(*_UNPACK(data))
    return (set if tag == _SET_TAG else dict)(_UNPACK(data))


_UNPACK = msgspec.msgpack.Decoder(ext_hook=_untagged).decode
