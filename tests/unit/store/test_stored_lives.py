"""All events of all aggregates can be stored and read back, with their keys and after an erasure."""

from dataclasses import fields
from typing import Any

import pytest

from domain.kernel import ERASED, Root
from infra.sealing.keyring import ERASED_KEY, DataKey, Keys
from infra.store.codec import layout_of, subjects_of
from infra.store.loading import evolve
from infra.store.snapshot_codec import SnapshotLabel, decode_snapshot, encode_snapshot, is_personal, pack
from tests.support.given import bare, state
from tests.support.lives import LIVES
from tests.support.stored import decoded, encoded
from tests.support.stores import STAMPS

KEY = DataKey(bytes(32))


def events_of(root: Root) -> list[Root.Event]:
    return [event for event in root.pending_events if isinstance(event, Root.Event)]


def stored(root: Root, keys: Keys) -> list[Root.Event]:
    """The events of the aggregate, encoded and decoded with `keys`."""
    read = []
    for event in events_of(root):
        written = encoded(event, {subject_id.int: KEY for subject_id in subjects_of(event)})
        topic = layout_of(type(event)).topic
        read.append(decoded(topic, written, event.originator_id, event.originator_version, keys))
    return read


def all_keys(root: Root) -> Keys:
    return {subject.int: KEY for event in events_of(root) for subject in subjects_of(event)}


KINDS: list[type[Root]] = [*dict.fromkeys(type(root) for root in LIVES)]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_lives_of_a_kind_have_every_kind_of_its_events(kind: type[Root]) -> None:
    nested = [each for each in vars(kind).values() if isinstance(each, type) and issubclass(each, Root.Event)]
    happened = {type(event) for root in LIVES if type(root) is kind for event in events_of(root)}
    # The library gives each aggregate a base class for its events, named so.
    assert happened == {each for each in nested if each.__name__ != "Event"}


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_events_come_back_as_they_were(root: Root) -> None:
    read = stored(root, all_keys(root))
    assert list(map(bare, read)) == list(map(bare, events_of(root)))
    again = evolve(type(root), None, read, root.tenant)
    assert again is not None
    assert state(again) == state(root)


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_a_snapshot_comes_back_as_it_was(root: Root) -> None:
    key = KEY if is_personal(type(root)) else None
    label = SnapshotLabel(root.id, root.version, type(root).__name__, 1)
    written = encode_snapshot(label, pack(root), key, STAMPS)
    again = decode_snapshot(type(root), label, written, key, STAMPS)
    assert state(again) == state(root)


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_with_erased_keys_a_life_replays_to_the_same_state_but_for_its_texts(root: Root) -> None:
    again = evolve(type(root), None, stored(root, dict.fromkeys(all_keys(root), ERASED_KEY)), root.tenant)
    assert again is not None
    lists: dict[str, Any] = {"tags": [], "names": dict.fromkeys(vars(root).get("names", ()), ERASED)}
    lists |= {"variable_names": [], "variable_values": [], "categories": []}
    lists["texts"] = [ERASED] if getattr(root, "variants", 1) == 1 else []
    texts = vars(root).keys() & {
        "email",
        "name",
        "avatar_url",
        "password_hash",
        "title",
        "content",
        "slug",
        "prompt",
        "text",
        "key",
        "last_characters",
    }
    erased = dict.fromkeys(texts, ERASED) | {name: lists[name] for name in vars(root).keys() & lists.keys()}
    assert state(again) == {**state(root), **erased}


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_no_clear_field_is_a_text_that_people_wrote(root: Root) -> None:
    clear_texts = {
        "plan",
        "month",
        "role",
        "status",
        "delta_format",
        "domain_role",
        "join",
        "owner_kind",
        "former_owner_kind",
        "payer_kind",
        "token_digest",
    }
    clear_texts |= {
        "model",
        "stand_in",
        "fallback",
        "target",
        "failure",
        "refused",
        "ending",
        "draft_reason",
        "prompt_digest",
    }
    clear_texts |= {"address", "new_token_digest", "old_token_digest", "terms_version", "operation", "topic"}
    for event in events_of(root):
        plan = layout_of(type(event))
        for field in fields(event):
            if field.name in plan.clear and isinstance(getattr(event, field.name), str):
                assert field.name in clear_texts
