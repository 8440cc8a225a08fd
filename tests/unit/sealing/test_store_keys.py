"""Stamps under several store keys: a retired key counts for what it stamped while it was current."""

import pytest

from infra.sealing.store_keys import Damage, StoreKeys, tag_of

OLD, NEW = bytes(32), bytes(range(32))


def retired_at(position: int) -> StoreKeys:
    keys = StoreKeys(OLD)
    keys.use(NEW, [OLD], {tag_of(OLD): position})
    return keys


def test_tags_and_stamps_are_known() -> None:
    """M1: stored with everything, so they never change."""
    key = bytes(range(64, 96))
    assert tag_of(key).hex() == "680c5233"
    assert StoreKeys(key).stamp(b"message").hex() == "680c5233fee7891a883a616012c91c66e8e23fba"


def test_an_earlier_key_checks_and_the_current_one_stamps() -> None:
    keys = StoreKeys(NEW, [OLD])
    keys.check(StoreKeys(OLD).stamp(b"text"), b"text")
    assert keys.stamp(b"text") == StoreKeys(NEW).stamp(b"text")


def test_a_retired_key_counts_for_events_up_to_its_last_position() -> None:
    """H6: the old key is refused after a rotation."""
    stamp = StoreKeys(OLD).stamp(b"text")
    retired_at(7).check(stamp, b"text", 7)
    for position in (8, None):
        with pytest.raises(Damage):
            retired_at(7).check(stamp, b"text", position)


def test_a_stamp_of_an_unknown_key_asks_for_it_once() -> None:
    keys, stamp = StoreKeys(NEW), StoreKeys(OLD).stamp(b"text")
    with pytest.raises(Damage):
        keys.check(stamp, b"text")
    keys.on_unknown = lambda: keys.learn([OLD])
    keys.check(stamp, b"text")
    assert keys.stamp(b"text") == StoreKeys(NEW).stamp(b"text")
