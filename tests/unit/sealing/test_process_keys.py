"""Keys of a process: which of a document are used for writing, which only to read, and which no more."""

from types import SimpleNamespace
from typing import cast

from infra.sealing.check_values import RecordedKey
from infra.sealing.key_ring import KeyKind, KeyRing
from infra.sealing.key_source import KeySource
from infra.sealing.process_keys import ProcessKeys, stamping_of, wrapping_of
from tests.support.stores import KEY_RING

OLD_STORE, OLD_WRAPPING = KEY_RING.current(KeyKind.STORE), KEY_RING.current(KeyKind.KEY_ENCRYPTION)
ROTATED = (
    KEY_RING.with_next(KeyKind.STORE)
    .promoted(KeyKind.STORE)
    .with_next(KeyKind.KEY_ENCRYPTION)
    .promoted(KeyKind.KEY_ENCRYPTION)
)
NEW_STORE, NEW_WRAPPING = ROTATED.current(KeyKind.STORE), ROTATED.current(KeyKind.KEY_ENCRYPTION)
OLD_TAG = bytes.fromhex(OLD_STORE.id)


def retired(kind: KeyKind, id: str, position: int | None) -> RecordedKey:
    return RecordedKey(kind, id, bytes(32), "retired", position)


def process(ring: KeyRing) -> ProcessKeys:
    """The keys of a process that started with this document."""
    source = SimpleNamespace(read=lambda: ring, has_changed=lambda: False)
    return ProcessKeys(cast(KeySource, source))


def test_the_current_key_wraps_and_all_but_retired_ones_unwrap() -> None:
    both = {OLD_WRAPPING.id: OLD_WRAPPING.secret, NEW_WRAPPING.id: NEW_WRAPPING.secret}
    assert wrapping_of(ROTATED) == (NEW_WRAPPING.id, both)
    assert wrapping_of(ROTATED, [OLD_WRAPPING.id]) == (NEW_WRAPPING.id, {NEW_WRAPPING.id: NEW_WRAPPING.secret})


def test_the_limit_of_an_earlier_store_key_is_that_of_the_document_or_else_of_the_database() -> None:
    rows = [retired(KeyKind.STORE, OLD_STORE.id, 7)]
    keys = NEW_STORE.secret, [OLD_STORE.secret]
    assert stamping_of(ROTATED) == (*keys, {})
    assert stamping_of(ROTATED, rows) == (*keys, {OLD_TAG: 7})
    assert stamping_of(ROTATED.limited(KeyKind.STORE, 5), rows) == (*keys, {OLD_TAG: 5})
    assert stamping_of(ROTATED, [rows[0]._replace(state="closed")]) == (*keys, {})
    assert stamping_of(ROTATED, [rows[0]._replace(position=None)]) == (*keys, {})


def test_a_document_comes_into_use_with_the_limits_and_without_the_retired_keys() -> None:
    keys, used = process(KEY_RING), list[KeyRing]()
    keys.follow(used.append)
    keys.use(ROTATED, [retired(KeyKind.STORE, OLD_STORE.id, 7), retired(KeyKind.KEY_ENCRYPTION, OLD_WRAPPING.id, None)])
    assert (keys.ring, used) == (ROTATED, [ROTATED])
    assert keys.stamps.tag.hex() == NEW_STORE.id
    assert keys.stamps.retired == {OLD_TAG: 7}
    assert keys.wrapping.current == NEW_WRAPPING.id
    assert keys.wrapping._ciphers.keys() == {NEW_WRAPPING.id}


def test_a_key_that_is_not_retired_or_of_another_kind_stays_in_use() -> None:
    keys = process(KEY_RING)
    closed = retired(KeyKind.KEY_ENCRYPTION, OLD_WRAPPING.id, None)._replace(state="closed")
    keys.use(ROTATED, [closed, retired(KeyKind.SIGNING, OLD_WRAPPING.id, None)])
    assert keys.wrapping._ciphers.keys() == {OLD_WRAPPING.id, NEW_WRAPPING.id}
