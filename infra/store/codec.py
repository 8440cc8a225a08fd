"""Events to stored bytes and back: msgpack, with the personal fields of each subject sealed together.

A stored state is a map of the event's clear fields, plus, for each subject, one sealed map of its personal fields
under the name of the field that holds the subject's id, marked by `~`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.utils import resolve_topic

from application.ports import A
from domain.kernel import ERASED, PersonalField, Root
from infra.sealing.keyring import DataKey, KeyErased, Keys

SEALED = "~"
STREAM = "originator_id"
"""The subject of the personal fields that are about the stream itself."""

_ARRAY_32 = b"\xdd"
"""Begins an array in msgpack; its length follows in four bytes, then its items."""

_ENCODE: Callable[[Any], bytes] = msgspec.msgpack.Encoder(uuid_format="bytes", decimal_format="string").encode
_DECODE: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_NEW, _SET = object.__new__, object.__setattr__


@dataclass(frozen=True, slots=True)
class SealedGroup:
    """The personal fields of one subject: where its id stands, what they are called, what they read as once erased.
    `own`: the subject is the stream itself."""

    subject: str
    own: bool
    label: str
    names: tuple[str, ...]
    erased: Mapping[str, Any]


State = dict[str, Any]
"""The fields of a stored event by name, as far as they are read."""

Encode = Callable[[Root.Event, Keys], bytes]
"""Makes the state of an event as it is stored. There must be a key for each of the event's subjects."""


@dataclass(frozen=True, slots=True)
class EventLayout:
    """How one class of events is stored, and read.

    `about_stream`: it has personal fields about the stream itself; `others`: the fields that name other subjects;
    `claiming`: its events take or release claims.
    """

    event_class: type[Root.Event]
    topic: str
    version: int
    clear: tuple[str, ...]
    uuids: tuple[str, ...]
    groups: tuple[SealedGroup, ...]
    about_stream: bool
    others: tuple[str, ...]
    claiming: bool
    encode: Encode


PartlyDecoded = tuple[EventLayout, State, UUID]
"""An event of a stream that `decode_clear` has begun to read."""


@cache
def layout_of(event_class: type[Root.Event]) -> EventLayout:
    """The plan of a class, read once from its annotations."""
    hints = get_type_hints(event_class, include_extras=True)
    personal: dict[str, dict[str, Any]] = {}
    clear, uuids = [], []
    for field in fields(event_class):
        hint = hints[field.name]
        if field.name in (STREAM, "originator_version"):
            continue
        mark = _mark(hint)
        if mark is not None:
            personal.setdefault(mark.subject, {})[field.name] = _erased(hint)
            continue
        clear.append(field.name)
        if UUID in _alternatives(hint):
            uuids.append(field.name)
    groups = tuple(
        SealedGroup(subject, subject == STREAM, SEALED + subject, tuple(erased), erased)
        for subject, erased in personal.items()
    )
    topic: str = event_class.TOPIC  # type: ignore[attr-defined]
    return EventLayout(
        event_class,
        topic,
        event_class.class_version,
        tuple(clear),
        tuple(uuids),
        groups,
        any(group.own for group in groups),
        tuple(group.subject for group in groups if not group.own),
        event_class.claims is not Root.Event.claims or event_class.releases is not Root.Event.releases,
        _encoding(event_class, clear, groups),
    )


def _encoding(event_class: type[Root.Event], clear: Sequence[str], groups: Sequence[SealedGroup]) -> Encode:
    secrets = [(group.subject, group.label, group.names) for group in groups]
    version = {"class_version": event_class.class_version} if event_class.class_version > 1 else {}

    # A closure: what it takes of its class is at hand for each of very many events.
    def encode(event: Root.Event, keys: Keys) -> bytes:
        values = event.__dict__
        state = {name: values[name] for name in clear}
        state.update(version)
        for subject, label, names in secrets:
            secret = _ENCODE({name: values[name] for name in names})
            context = _context(values["originator_id"], values["originator_version"])
            state[label] = keys[values[subject].int].seal(secret, context)
        return _ENCODE(state)

    return encode


def _upcast(event_class: type[Root.Event], state: State) -> None:
    for version in range(state.pop("class_version", 1), event_class.class_version):
        getattr(event_class, f"upcast_v{version}_v{version + 1}")(state)


def _mark(hint: Any) -> PersonalField | None:
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, PersonalField)), None)
    return None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)


def _erased(hint: Any) -> Any:
    kinds = _alternatives(get_args(hint)[0])
    return [] if any(get_origin(kind) is list or kind is list for kind in kinds) else ERASED


@cache
def plan_for(topic: str) -> EventLayout:
    """The plan of a topic.

    Raises:
        eventsourcing.utils.TopicError: no loaded class has this topic.
    """
    return layout_of(resolve_topic(topic))


def subjects_of(event: Root.Event) -> list[UUID]:
    """The subjects whose keys are needed to store the event."""
    return [getattr(event, group.subject) for group in layout_of(type(event)).groups]


def decode_clear(topic: str, stored: bytes, stream_id: UUID) -> PartlyDecoded:
    """Read a stored event as far as it can be without keys; `subjects_in` says which keys it takes to `unseal` it.

    Raises:
        eventsourcing.utils.TopicError: no loaded class has this topic.
        msgspec.DecodeError: `stored` is no state.
    """
    plan = plan_for(topic)
    state: State = _DECODE(stored)
    for name in plan.uuids:
        value = state.get(name)
        if value is not None:
            state[name] = UUID(bytes=value)
    return plan, state, stream_id


def unseal(begun: Sequence[PartlyDecoded], versions: Iterable[int], keys: Keys) -> list[Root.Event]:
    """The events that were begun (which uses them up), each with its version in its stream: upcast to its class's
    current version; personal fields without a key read as erased.

    Raises:
        cryptography.exceptions.InvalidTag: a sealed field was changed, or belongs to another event.
        Exception: what a state that lacks something raises, or an upcast.
    """
    numbered = list(zip(begun, versions, strict=True))
    sealed_states: list[State] = []
    secrets: list[bytes] = []
    for (plan, state, stream_id), version in numbered:
        for group in plan.groups:
            sealed = state.pop(group.label, None)
            key = keys.get((stream_id if group.own else state[group.subject]).int)
            try:
                if key is None or sealed is None:
                    raise KeyErased
                # The context: see `_context`.
                secrets.append(key.unseal(sealed, (stream_id.int << 64 | version).to_bytes(24, "big")))
            except KeyErased:
                state.update(group.erased)
            else:
                sealed_states.append(state)
    unsealed: list[State] = _DECODE(b"".join([_ARRAY_32, len(secrets).to_bytes(4, "big"), *secrets]))
    for state, secret in zip(sealed_states, unsealed, strict=True):
        state.update(secret)
    events = []
    for (plan, state, stream_id), version in numbered:
        state["originator_id"] = stream_id
        state["originator_version"] = version
        if plan.version > 1 or "class_version" in state:
            _upcast(plan.event_class, state)
        event = _NEW(plan.event_class)
        _SET(event, "__dict__", state)
        events.append(event)
    return events


def decode(topic: str, stored: bytes, stream_id: UUID, version: int, keys: Keys) -> Root.Event:
    """The event, as `unseal` makes it. Raises as `decode_clear` and `unseal`."""
    [event] = unseal([decode_clear(topic, stored, stream_id)], [version], keys)
    return event


def subjects_in(begun: Iterable[PartlyDecoded]) -> Iterable[UUID]:
    """The subjects whose keys are needed to finish these events."""
    found: dict[int, UUID] = {}
    last = None
    for plan, state, stream_id in begun:
        # Most events are about their own stream, and come with others of it.
        if plan.about_stream and stream_id is not last:
            found[stream_id.int] = last = stream_id
        for name in plan.others:
            subject_id = state.get(name)
            if subject_id is not None:
                found[subject_id.int] = subject_id
    return found.values()


def _context(stream_id: UUID, version: int) -> bytes:
    # The id's 16 bytes and the version's 8.
    return (stream_id.int << 64 | version).to_bytes(24, "big")


# Snapshots: an aggregate's attributes, all sealed under its own key if it holds anything personal. UUIDs, sets and
# dicts are tagged so that the decoder gives back what was encoded without knowing the class.

_UUID_TAG, _SET_TAG, _DICT_TAG = 1, 2, 3
_IDENTITY = ("_id", "_version", "_pending_events")


@cache
def is_personal(kind: type[Root]) -> bool:
    """Whether the aggregate's own events say anything personal about it."""
    events = [value for value in vars(kind).values() if isinstance(value, type) and hasattr(value, "TOPIC")]
    return any(group.subject == STREAM for event in events for group in layout_of(event).groups)


def encode_snapshot(root: Root, key: DataKey | None) -> bytes:
    """The aggregate's state, sealed under `key`; in clear with None, which only suits kinds that are not personal."""
    state = {name: _tagged(value) for name, value in vars(root).items() if name not in _IDENTITY}
    plain = msgspec.msgpack.encode(state)
    return plain if key is None else key.seal(plain, _context(root.id, root.version))


def decode_snapshot(kind: type[A], id: UUID, version: int, stored: bytes, key: DataKey | None) -> A:
    """The aggregate as it was when the snapshot was taken.

    Raises:
        Erased, cryptography.exceptions.InvalidTag: as `DataKey.unseal`.
    """
    plain = stored if key is None else key.unseal(stored, _context(id, version))
    root = object.__new__(kind)
    root.__dict__.update(_SNAPSHOT.decode(plain), _id=id, _version=version, _pending_events=[])
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
