"""States of aggregates as JSON, with personal data sealed: every life there is, without any data key."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
import pytest

from application.travel.seals import FORGOTTEN, SEALED, Seal
from application.travel.states import PlainState, parts_of, plain, pointer_to, shown, state_of
from domain.kernel import Root
from infra.sealing.keyring import DataKey
from infra.store.codec import decode_clear, layout_of, subjects_of
from infra.store.loading import evolve
from infra.store.sealed_loading import KeptStates
from infra.store.withholding import withhold
from tests.support.given import ID, NOW
from tests.support.lives import LIVES
from tests.support.stored import encoded
from tests.support.stores import STAMPS

KEY = DataKey(bytes(32))
OTHER = UUID(int=0xA)


def events_in(root: Root) -> list[Root.Event]:
    return [event for event in root.pending_events if isinstance(event, Root.Event)]


def withheld(root: Root) -> Root:
    """The aggregate as its stored events leave it, read without data keys."""
    partly = []
    for event in events_in(root):
        stored = encoded(event, {subject_id.int: KEY for subject_id in subjects_of(event)})
        topic = layout_of(type(event)).topic
        partly.append(decode_clear(topic, stored, event.originator_id, event.originator_version, STAMPS, 1))
    found = evolve(type(root), None, withhold(partly), root.tenant)
    assert found is not None
    return found


def personal_texts(root: Root) -> set[str]:
    """Every text that a personal field of an event holds."""
    found = set()
    for event in events_in(root):
        for group in layout_of(type(event)).groups:
            for name in group.names:
                value = getattr(event, name)
                found |= {each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str)}
    return found - {""}


def texts(value: Any) -> Iterator[str]:
    """Every text in JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from (name, *texts(item))
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_the_state_of_a_life_is_json_without_a_word_of_a_person(root: Root) -> None:
    state = state_of(withheld(root))
    assert msgspec.json.decode(msgspec.json.encode(state.values)) == state.values
    found = personal_texts(root)
    assert [text for text in texts(state.values) if text in found] == []
    assert bool(state.seals) == any(text in found for text in texts(state_of(root).values))


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_who_may_see_everything_sees_the_state_as_it_is(root: Root) -> None:
    whole = state_of(root)
    found = shown(state_of(withheld(root)), set(), whole)
    assert (found.values, found.sealed, found.forgotten) == (whole.values, [], [])


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_a_state_that_was_kept_is_a_copy(root: Root) -> None:
    sealed, kept = withheld(root), KeptStates()
    kept.keep(sealed)
    before = state_of(sealed)
    copy = kept.newest(type(root), root.id, root.version)
    assert copy is not None
    for value in vars(copy).values():
        if isinstance(value, dict | set | list):
            value.clear()
    again = kept.newest(type(root), root.id, root.version)
    assert again is not None
    assert state_of(again) == before == state_of(sealed)


def test_values_are_json_by_their_types() -> None:
    values = {"id": ID, "at": NOW, "ids": {OTHER, ID}, "by": {ID: [1, None, True]}, "a/b~c": "text"}
    assert plain(values).values == {
        "id": str(ID),
        "at": "2026-11-22T12:00:00Z",
        "ids": [str(OTHER), str(ID)],
        "by": {str(ID): [1, None, True]},
        "a/b~c": "text",
    }
    assert pointer_to("", "a/b~c") == "/a~1b~0c"
    assert parts_of("/a~1b~0c/0") == ["a/b~c", "0"]
    with pytest.raises(TypeError):
        plain({"odd": object()})


def state() -> PlainState:
    return PlainState({"name": SEALED, "mails": [SEALED, "x"]}, {"/name": Seal(ID, 0), "/mails/0": Seal(OTHER, 2)})


def test_a_destroyed_key_reads_as_forgotten_and_another_as_sealed() -> None:
    found = shown(state(), {Seal(OTHER, 2)})
    assert found.values == {"name": SEALED, "mails": [FORGOTTEN, "x"]}
    assert (found.sealed, found.forgotten) == (["/name"], ["/mails/0"])


def test_what_is_forgotten_is_not_shown_to_any_caller() -> None:
    unsealed = PlainState({"name": "Ada", "mails": ["a@example.org", "x"]}, {})
    found = shown(state(), {Seal(ID, 0)}, unsealed)
    assert found.values["name"] == FORGOTTEN
