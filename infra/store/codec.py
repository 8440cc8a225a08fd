"""Encodes the fields of events and decodes them: msgpack, with the personal fields of each subject sealed together.

`event_bytes.py` describes the bytes around them.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from eventsourcing.utils import resolve_topic

from domain.kernel import ERASED, PersonalField, Root
from infra.sealing.keyring import ERASED_KEY, KeyErased, Keys, SealingKeys
from infra.sealing.store_keys import FORMAT, Damage, StoreKeys
from infra.store.event_bytes import (
    CLEAR_AT,
    CONTENT_AT,
    FIXED,
    LENGTH_BYTES,
    CallHeader,
    bind,
    check,
    frame_of,
    sealed_parts,
    stamped,
)

STREAM = "originator_id"
"""The field that holds the subject of personal fields about the stream itself."""

_ARRAY_32 = b"\xdd"
"""The first byte of a msgpack array; its length follows in four bytes, then its items."""

_ENCODE: Callable[[Any], bytes] = msgspec.msgpack.Encoder(uuid_format="bytes", decimal_format="string").encode
_DECODE: Callable[[bytes], Any] = msgspec.msgpack.Decoder().decode
_NEW, _SET = object.__new__, object.__setattr__


@dataclass(frozen=True, slots=True)
class SealedGroup:
    """The personal fields of one subject. `subject`: the field with the subject's id, `label`: its bytes; `names`: the
    fields; `erased`: their values once the key is erased; `reusable`: as in `PersonalField`."""

    subject: str
    label: bytes
    names: tuple[str, ...]
    erased: Mapping[str, Any]
    reusable: bool


State = dict[str, Any]
"""The fields of a stored event by name, without those that are None; sealed fields are missing until `unseal`."""

Encode = Callable[[Root.Event, bytes, bytes, CallHeader, SealingKeys, StoreKeys], bytes]
"""Encodes an event: its id, its tenant (`event_bytes.tenant_bytes`), the header of its command, data keys of all of its
subjects, store keys."""


@dataclass(frozen=True, slots=True)
class EventLayout:
    """The stored form of one class of events. `frame`: see `event_bytes.frame_of`.

    `about_stream`: the class has personal fields about the stream itself; `others`: the fields with the ids of other
    subjects; `has_claims`: its events take or release claims.
    """

    event_class: type[Root.Event]
    topic: str
    frame: bytes
    version: int
    clear: tuple[str, ...]
    uuids: tuple[str, ...]
    groups: tuple[SealedGroup, ...]
    about_stream: bool
    others: tuple[str, ...]
    has_claims: bool
    encode: Encode


SealedPart = tuple[SealedGroup, bytes, bytes]
"""The sealed fields of one subject: their group, the bytes that they are bound to without its label, their bytes."""

PartlyDecoded = tuple[EventLayout, State, int, Sequence[SealedPart]]
"""An event from `decode_clear`: layout, clear fields, the version of the class that wrote it, and its sealed parts. A
plain tuple, since a load makes many."""


@cache
def layout_of(event_class: type[Root.Event]) -> EventLayout:
    """The layout of a class, computed once from its annotations."""
    hints = get_type_hints(event_class, include_extras=True)
    personal: dict[PersonalField, dict[str, Any]] = {}
    clear, uuids = [], []
    for field in fields(event_class):
        hint = hints[field.name]
        if field.name in (STREAM, "originator_version"):
            continue
        if type(None) in _alternatives(hint):
            # It is not stored then, and the class's default stands for it.
            assert field.default is None, f"{event_class.__qualname__}.{field.name} needs the default None"
        mark = _mark(hint)
        if mark is not None:
            personal.setdefault(mark, {})[field.name] = _erased(hint)
            continue
        clear.append(field.name)
        if UUID in _alternatives(hint):
            uuids.append(field.name)
    groups = tuple(
        SealedGroup(mark.subject, mark.subject.encode(), tuple(erased), erased, mark.reusable)
        for mark, erased in personal.items()
    )
    topic: str = event_class.TOPIC  # type: ignore[attr-defined]
    return EventLayout(
        event_class,
        topic,
        frame_of(topic),
        event_class.class_version,
        tuple(clear),
        tuple(uuids),
        groups,
        any(group.subject == STREAM for group in groups),
        tuple(group.subject for group in groups if group.subject != STREAM),
        event_class.claims is not Root.Event.claims or event_class.releases is not Root.Event.releases,
        _encoding(event_class, clear, groups),
    )


def _encoding(event_class: type[Root.Event], clear: Sequence[str], groups: Sequence[SealedGroup]) -> Encode:
    secrets = [(group.subject, group.label, group.names) for group in groups]
    frame = frame_of(event_class.TOPIC)  # type: ignore[attr-defined]

    class_version = event_class.class_version

    # A closure: it reads no attributes of the layout, which saves time on each event.
    def encode(
        event: Root.Event, event_id: bytes, tenant: bytes, call: CallHeader, keys: SealingKeys, stamps: StoreKeys
    ) -> bytes:
        values = event.__dict__
        fields_in_clear = _ENCODE({name: value for name in clear if (value := values[name]) is not None})
        stream_id, version = values[STREAM], values["originator_version"]
        bound = bind(frame, stream_id, version, class_version, event_id, tenant, call, fields_in_clear)
        if not secrets:
            return stamped(bound, frame, stamps)
        parts = [bound]
        for subject, label, names in secrets:
            secret = _ENCODE({name: value for name in names if (value := values[name]) is not None})
            part = keys[values[subject].int].seal(secret, bound + label)
            parts += (len(part).to_bytes(LENGTH_BYTES, "big"), part)
        return stamped(b"".join(parts), frame, stamps)

    return encode


def upcast(event_class: type[Root.Event], state: State, version: int) -> None:
    """Change the state of an event that an earlier version of its class wrote into that of the current version."""
    for earlier in range(version, event_class.class_version):
        getattr(event_class, f"upcast_v{earlier}_v{earlier + 1}")(state)


def _mark(hint: Any) -> PersonalField | None:
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, PersonalField)), None)
    return None


def _alternatives(hint: Any) -> tuple[Any, ...]:
    kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _erased(hint: Any) -> Any:
    kinds = _alternatives(hint)
    return [] if any(get_origin(kind) is list or kind is list for kind in kinds) else ERASED


@cache
def layout_for(topic: str) -> EventLayout:
    """The layout of a topic.

    Raises:
        eventsourcing.utils.TopicError: no loaded class has this topic.
    """
    return layout_of(resolve_topic(topic))


def subjects_of(event: Root.Event) -> list[UUID]:
    """The subjects whose keys are needed to store the event."""
    return [getattr(event, group.subject) for group in layout_of(type(event)).groups]


def reusable_subjects_of(event: Root.Event) -> list[UUID]:
    """The subjects among them that may get another key after their erasure."""
    return [getattr(event, group.subject) for group in layout_of(type(event)).groups if group.reusable]


def decode_clear(
    topic: str, stored: bytes, stream_id: UUID, version: int, stamps: StoreKeys, position: int
) -> PartlyDecoded:
    """Check the stamp of a stored event and decode its clear fields.

    `subjects_in` lists the subjects whose keys `unseal` needs. `position`: of the event in the log; a retired store key
    counts up to the position where it was retired.

    Raises:
        Damage: these bytes were not stored in this place.
        eventsourcing.utils.TopicError: no loaded class has this topic.
        msgspec.DecodeError: the clear fields are no msgpack map.
    """
    layout = layout_for(topic)
    bound = check(layout.frame, stream_id, version, stored, stamps, position)
    state, class_version, end = _clear_state(layout, stored, stream_id, version)
    groups = layout.groups
    if not groups:
        return layout, state, class_version, ()
    bound = bound[: end - len(stored)]
    if len(groups) == 1:
        return layout, state, class_version, ((groups[0], bound, stored[end + LENGTH_BYTES :]),)
    parts = zip(groups, sealed_parts(stored, end), strict=True)
    return layout, state, class_version, [(group, bound, part) for group, part in parts]


def _clear_state(layout: EventLayout, stored: bytes, stream_id: UUID, version: int) -> tuple[State, int, int]:
    """The clear fields, the version of the class that wrote them, and the index of the first byte after them."""
    length, flags, class_version = FIXED.unpack_from(stored, CONTENT_AT)
    at = CLEAR_AT[flags]
    end = at + length
    state: State = _DECODE(stored[at:end])
    for name in layout.uuids:
        value = state.get(name)
        if value is not None:
            state[name] = UUID(bytes=value)
    state[STREAM] = stream_id
    state["originator_version"] = version
    return state, class_version, end


def unseal(partly_decoded: Sequence[PartlyDecoded], keys: Keys) -> list[Root.Event]:
    """The events of the partly decoded states, which it changes.

    Events are upcast to the current version of their class. Personal fields whose key is erased read as erased.

    Raises:
        Damage: a sealed field is missing, or its key is missing, damaged, or another one.
        Exception: an upcast failed, or a state lacks a field.
    """
    sealed_states: list[State] = []
    secrets: list[bytes] = []
    for _, state, _, sealed in partly_decoded:
        for group, bound, part in sealed:
            key = keys.get(state[group.subject].int)
            if key is None:
                raise Damage("a data key is missing")
            try:
                secrets.append(key.unseal(part, bound + group.label))
                sealed_states.append(state)
            except KeyErased:
                state.update(group.erased)
    unsealed: list[State] = _DECODE(b"".join([_ARRAY_32, len(secrets).to_bytes(4, "big"), *secrets]))
    for state, secret in zip(sealed_states, unsealed, strict=True):
        state.update(secret)
    return build(partly_decoded)


def build(partly_decoded: Sequence[PartlyDecoded]) -> list[Root.Event]:
    """The events of states whose fields all have their values, upcast to the current version of their class.

    Raises:
        Exception: an upcast failed, or a state lacks a field.
    """
    events = []
    for layout, state, class_version, _ in partly_decoded:
        event_class = layout.event_class
        if class_version != layout.version:
            upcast(event_class, state, class_version)
        event = _NEW(event_class)
        _SET(event, "__dict__", state)
        events.append(event)
    return events


def decode(
    topic: str, stored: bytes, stream_id: UUID, version: int, keys: Keys, stamps: StoreKeys, position: int
) -> Root.Event:
    """The event, as `unseal` returns it. Raises as `decode_clear` and `unseal`."""
    [event] = unseal([decode_clear(topic, stored, stream_id, version, stamps, position)], keys)
    return event


def decode_as_erased(
    topic: str, stored: bytes, stream_id: UUID, version: int, stamps: StoreKeys, position: int
) -> Root.Event:
    """The event with all personal fields as erased, for readers without data keys. Raises as `decode`."""
    partly = [decode_clear(topic, stored, stream_id, version, stamps, position)]
    [event] = unseal(partly, {subject_id.int: ERASED_KEY for subject_id in subjects_in(partly)})
    return event


def decode_without_keys(topic: str, stored: bytes, stream_id: UUID, version: int) -> Root.Event:
    """The event with all personal fields as erased, for readers without any key: its stamp is not checked.

    Such a reader compares the bytes with a signed tree.

    Raises:
        Damage: the format is not known.
        eventsourcing.utils.TopicError: no loaded class has this topic.
        Exception: the bytes are not those of an event of this topic, or an upcast failed.
    """
    if stored[0] != FORMAT:
        raise Damage("the format is not known")
    layout = layout_for(topic)
    state, class_version, _ = _clear_state(layout, stored, stream_id, version)
    for group in layout.groups:
        state.update(group.erased)
    [event] = unseal([(layout, state, class_version, ())], {})
    return event


def subjects_in(partly_decoded: Iterable[PartlyDecoded]) -> Iterable[UUID]:
    """The subjects whose keys `unseal` needs for these events."""
    found: dict[int, UUID] = {}
    last = None
    for layout, state, *_ in partly_decoded:
        # Most events are about their own stream and follow another event of it: skip the repeated insert.
        if layout.about_stream and state[STREAM] is not last:
            last = state[STREAM]
            found[last.int] = last
        for name in layout.others:
            subject_id = state.get(name)
            if subject_id is not None:
                found[subject_id.int] = subject_id
    return found.values()
