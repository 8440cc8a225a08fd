"""Encodes snapshots and decodes them: the attributes of an aggregate, sealed under its own key if they are personal.

UUIDs, sets and dicts are tagged, so that the decoder restores them without knowing the class.
"""

from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

import msgspec

from application.ports import A
from domain.kernel import Party, Root
from infra.sealing.keyring import DataKey
from infra.store.codec import STREAM, layout_of

_UUID_TAG, _SET_TAG, _DICT_TAG = 1, 2, 3
_IDENTITY = ("_id", "_version", "_pending_events", "tenant")


@cache
def is_personal(kind: type[Root]) -> bool:
    """Whether the events of the aggregate have personal fields about its own stream."""
    events = [value for value in vars(kind).values() if isinstance(value, type) and hasattr(value, "TOPIC")]
    return any(group.subject == STREAM for event in events for group in layout_of(event).groups)


def encode_snapshot(root: Root, key: DataKey | None) -> bytes:
    """The state of the aggregate, sealed under `key`; in clear without one, which suits no kind with personal data."""
    state = {name: _tagged(value) for name, value in vars(root).items() if name not in _IDENTITY}
    state["tenant"] = [root.tenant.kind, _tagged(root.tenant.id)]
    plain = msgspec.msgpack.encode(state)
    return plain if key is None else key.seal(plain, root.id.bytes + root.version.to_bytes(8, "big"))


def decode_snapshot(kind: type[A], id: UUID, version: int, stored: bytes, key: DataKey | None) -> A:
    """The aggregate at the version of the snapshot.

    Raises:
        KeyErased, Damage: as `DataKey.unseal`.
    """
    plain = stored if key is None else key.unseal(stored, id.bytes + version.to_bytes(8, "big"))
    root = object.__new__(kind)
    state = _SNAPSHOT.decode(plain)
    root.__dict__.update(state, _id=id, _version=version, _pending_events=[], tenant=Party(*state["tenant"]))
    return root


def _tagged(value: Any) -> Any:
    if isinstance(value, UUID):
        return msgspec.msgpack.Ext(_UUID_TAG, value.bytes)
    if isinstance(value, set | frozenset):
        return msgspec.msgpack.Ext(_SET_TAG, msgspec.msgpack.encode(sorted(map(_tagged, value), key=repr)))
    if isinstance(value, dict):
        pairs = [[_tagged(key), _tagged(item)] for key, item in value.items()]
        return msgspec.msgpack.Ext(_DICT_TAG, msgspec.msgpack.encode(pairs))
    if isinstance(value, list | tuple):
        return [_tagged(item) for item in value]
    if value is None or isinstance(value, str | int | float | bool | datetime):
        return value
    raise TypeError(f"a snapshot cannot hold {type(value).__name__}")


def _untagged(tag: int, data: memoryview) -> Any:
    if tag == _UUID_TAG:
        return UUID(bytes=bytes(data))
    return (set if tag == _SET_TAG else dict)(_SNAPSHOT.decode(data))


_SNAPSHOT = msgspec.msgpack.Decoder(ext_hook=_untagged)
