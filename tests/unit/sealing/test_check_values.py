"""Check values: a key that a database was not written with is named, and refused."""

from dataclasses import replace

import pytest

from infra.sealing.check_values import COMPARED, RecordedKey, WrongKey, check_value, problems, require, unrecorded
from infra.sealing.key_ring import KeyKind, KeyRing, KeyState, RingKey
from tests.support.stores import KEY_RING, SIGNING_KEY

ROWS = [RecordedKey(key.kind, key.id, check_value(key), "current", None) for key in KEY_RING.keys]


def with_key(ring: KeyRing, changed: RingKey) -> KeyRing:
    return KeyRing(tuple(changed if key.kind is changed.kind else key for key in ring.keys))


def test_the_keys_of_a_database_fit_it() -> None:
    require(KEY_RING, ROWS)
    assert unrecorded(KEY_RING, ROWS) == []


def test_a_new_database_records_one_key_of_each_kind() -> None:
    require(KEY_RING, [])
    assert [key.kind for key in unrecorded(KEY_RING, [])] == list(COMPARED)


def test_the_log_key_is_neither_recorded_nor_compared() -> None:
    """Two machines that each added one to a copied key file, or processes from before the upgrade, refused to start."""
    without = KeyRing(tuple(key for key in KEY_RING.keys if key.kind is not KeyKind.LOG))
    assert {*COMPARED, KeyKind.LOG} == set(KeyKind)
    for ring in (without, without.completed(), KEY_RING):
        require(ring, ROWS)
        assert unrecorded(ring, [row for row in ROWS if row.kind != KeyKind.LOG]) == []


@pytest.mark.parametrize("kind", COMPARED)
def test_a_wrong_secret_of_each_kind_is_named_and_not_shown(kind: KeyKind) -> None:
    """H6: no key was compared with the data."""
    key = KEY_RING.current(kind)
    with pytest.raises(WrongKey) as caught:
        require(with_key(KEY_RING, replace(key, secret=bytes(32))), ROWS)
    assert f"{kind} key '{key.id}'" in str(caught.value)
    assert key.secret.hex() not in str(caught.value)


@pytest.mark.parametrize("kind", COMPARED)
def test_a_foreign_key_under_another_id_is_refused(kind: KeyKind) -> None:
    """H6: a key-encryption key with another id sealed data that no other process could open."""
    with pytest.raises(WrongKey, match="not one that this database was written with"):
        require(with_key(KEY_RING, RingKey.new(kind)), ROWS)


def test_a_next_key_needs_no_record_until_it_is_used() -> None:
    rotating = KEY_RING.with_next(KeyKind.STORE)
    require(rotating, ROWS)
    with pytest.raises(WrongKey):
        require(rotating.promoted(KeyKind.STORE), ROWS)


def test_a_document_from_before_a_rotation_is_refused() -> None:
    rotating = KEY_RING.with_next(KeyKind.KEY_ENCRYPTION)
    new = rotating.next(KeyKind.KEY_ENCRYPTION)
    assert new is not None
    added = RecordedKey(new.kind, new.id, check_value(new), "current", None)
    old = ROWS[0]._replace(state="retired")
    assert old.kind == KeyKind.KEY_ENCRYPTION
    assert len(list(problems(KEY_RING, [old, added, *ROWS[1:]]))) == 2
    require(rotating.promoted(KeyKind.KEY_ENCRYPTION).without_earlier(KeyKind.KEY_ENCRYPTION), [old, added, *ROWS[1:]])


def test_store_keys_are_needed_for_ever_and_retired_others_are_not() -> None:
    for row, needed in (("store", True), ("key-encryption", False), ("signing", False)):
        retired = RecordedKey(row, "0a0a0a0a", bytes(32), "retired", None)
        assert bool(list(problems(KEY_RING, [*ROWS, retired]))) == needed


def test_the_current_key_of_each_kind_that_reads_is_needed_and_of_earlier_ones_all_but_signing_keys() -> None:
    for kind in KeyKind:
        for state, needed in (
            ("current", kind is not KeyKind.LOG),
            ("earlier", kind not in (KeyKind.SIGNING, KeyKind.LOG)),
        ):
            other = RecordedKey(kind, "0a0a0a0a", bytes(32), state, None)
            assert bool(list(problems(KEY_RING, [*ROWS, other]))) == needed


def test_a_closed_key_still_reads_and_is_not_current() -> None:
    for row, needed in (("store", True), ("key-encryption", True), ("signing", False)):
        closed = RecordedKey(row, "0a0a0a0a", bytes(32), "closed", None)
        assert bool(list(problems(KEY_RING, [*ROWS, closed]))) == needed
    [problem] = problems(KEY_RING, [ROWS[0]._replace(state="closed"), *ROWS[1:]])
    assert "was replaced by a rotation" in problem


def test_a_check_value_differs_by_kind_id_and_secret() -> None:
    key = RingKey(KeyKind.SIGNING, "a", SIGNING_KEY)
    others = [replace(key, id="b"), replace(key, kind=KeyKind.STORE), replace(key, secret=bytes(32))]
    assert len({check_value(each) for each in [key, *others]}) == 4


def test_the_check_value_is_the_one_that_databases_hold() -> None:
    """A known answer: a changed derivation would refuse the right keys."""
    known = "6670c095a67d060eec82391e35e103a3c5bfee8058a395385091f79daf23b0c2"
    assert check_value(KEY_RING.current(KeyKind.SIGNING)).hex() == known


def test_states_move_in_order() -> None:
    rotating = KEY_RING.with_next(KeyKind.SIGNING)
    promoted = rotating.promoted(KeyKind.SIGNING).limited(KeyKind.SIGNING, 60)
    assert promoted.current(KeyKind.SIGNING).id == rotating.next(KeyKind.SIGNING).id  # type: ignore[union-attr]
    assert [(key.id, key.until) for key in promoted.earlier(KeyKind.SIGNING)] == [("signing", 60)]
    assert promoted.without_expired(60) == promoted
    assert promoted.without_expired(61).earlier(KeyKind.SIGNING) == []
    assert promoted.current(KeyKind.STORE).state is KeyState.CURRENT
