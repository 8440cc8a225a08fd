"""Stored snapshots: their bytes are known, and one that was changed, moved or forged is found (M2)."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.kernel import Party
from infra.sealing import keyring
from infra.sealing.keyring import DataKey, KeyErased
from infra.sealing.store_keys import FORMAT, STAMP_BYTES, Damage, Purpose, StoreKeys, framed
from infra.store.snapshot_codec import SnapshotLabel, decode_snapshot, encode_snapshot, pack
from tests.support.given import state
from tests.support.note import Note
from tests.support.stores import STORE_KEY

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STAMPS = StoreKeys(STORE_KEY)
KEY = DataKey(bytes(range(32)))
LABEL = SnapshotLabel(UUID(int=1), 7, "note", 1)
OTHERS = [
    LABEL._replace(stream_id=UUID(int=2)),
    LABEL._replace(version=8),
    LABEL._replace(topic="team"),
    LABEL._replace(shape=2),
]

# The format, the stamp, the body.
CLEAR_VECTOR = (
    "01"
    "680c52336d5ebd7bcd7b29675db5223f973bd024"
    "87ac5f6d6f6469666965645f6f6ed6ff6b02d940a674656e616e74c7180492a47465616dd801000000000000000000000000"
    "00000003a56c696e657392a161a162a56c6162656cc0a66e756d626572cb3ff8000000000000a772656164657273c7130291"
    "d80100000000000000000000000000000004a47365656ec71a039192d80100000000000000000000000000000005d6ff6b02"
    "d940"
)
SEALED_VECTOR = (
    "01"
    "680c5233d6aca5e491aea3b4bda4bf0c74680bf4"
    "000000000000000000000000000000004f120757daa167b273101eaf1ca2eef8ee392441fb1f22e5ea4d2adcff736012965a"
    "d8a10669229981ca480e85f916dd69db812c668db078eb9f0227fc80ecc3c2560324f0acd1a630ce439e7b0928c39ef5b63d"
    "7375ca2ad1e56821461b64303b0eba1d26910a8ce7fb7d9c2a8e67b06dad0a5f99720d1acb624a283eab90e98097c4640515"
    "644c4a95af68ba1807101cf58fbfccaf1a2cbb22f2e3ccbfad0f77012b766510cea6"
)


def note() -> Note:
    """A note with an attribute of every kind that a snapshot holds."""
    root = object.__new__(Note)
    root.__dict__.update(
        _id=LABEL.stream_id,
        _version=LABEL.version,
        _pending_events=[],
        _modified_on=NOW,
        tenant=Party("team", UUID(int=3)),
        lines=["a", "b"],
        label=None,
        number=1.5,
        readers={UUID(int=4)},
        seen={UUID(int=5): NOW},
    )
    return root


CLEAR = encode_snapshot(LABEL, pack(note()), None, STAMPS)
SEALED = encode_snapshot(LABEL, pack(note()), KEY, STAMPS)


def test_a_snapshot_has_known_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyring.os, "urandom", bytes)  # type: ignore[attr-defined]
    assert encode_snapshot(LABEL, pack(note()), None, STAMPS).hex() == CLEAR_VECTOR
    assert encode_snapshot(LABEL, pack(note()), KEY, STAMPS).hex() == SEALED_VECTOR
    for vector, key in ((CLEAR_VECTOR, None), (SEALED_VECTOR, KEY)):
        assert state(decode_snapshot(Note, LABEL, bytes.fromhex(vector), key, STAMPS)) == state(note())


@pytest.mark.parametrize(("stored", "key"), [(CLEAR, None), (SEALED, KEY)], ids=["clear", "sealed"])
@given(data=st.data())
def test_a_flipped_bit_is_found(stored: bytes, key: DataKey | None, data: st.DataObject) -> None:
    """M2"""
    bit = data.draw(st.integers(0, 8 * len(stored) - 1))
    changed = bytearray(stored)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(Damage):
        decode_snapshot(Note, LABEL, bytes(changed), key, STAMPS)


@pytest.mark.parametrize(("stored", "key"), [(CLEAR, None), (SEALED, KEY)], ids=["clear", "sealed"])
def test_missing_and_additional_bytes_are_found(stored: bytes, key: DataKey | None) -> None:
    """M2"""
    for changed in [*[stored[:length] for length in range(len(stored))], stored + b"\0"]:
        with pytest.raises(Damage):
            decode_snapshot(Note, LABEL, changed, key, STAMPS)


@pytest.mark.parametrize("other", OTHERS, ids=["stream", "version", "topic", "shape"])
@pytest.mark.parametrize(("stored", "key"), [(CLEAR, None), (SEALED, KEY)], ids=["clear", "sealed"])
def test_a_snapshot_moved_to_another_place_is_found(stored: bytes, key: DataKey | None, other: SnapshotLabel) -> None:
    """M2"""
    with pytest.raises(Damage):
        decode_snapshot(Note, other, stored, key, STAMPS)


@pytest.mark.parametrize("other", OTHERS, ids=["stream", "version", "topic", "shape"])
def test_parts_of_two_snapshots_do_not_fit_together(other: SnapshotLabel) -> None:
    """M2"""
    second, head = encode_snapshot(other, pack(note()), KEY, STAMPS), 1 + STAMP_BYTES
    for mixed in (SEALED[:head] + second[head:], second[:head] + SEALED[head:]):
        with pytest.raises(Damage):
            decode_snapshot(Note, LABEL, mixed, KEY, STAMPS)


@pytest.mark.parametrize("other", OTHERS, ids=["stream", "version", "topic", "shape"])
def test_a_sealed_body_is_bound_to_its_place_by_the_data_key_too(other: SnapshotLabel) -> None:
    """M2"""
    body = SEALED[1 + STAMP_BYTES :]
    with pytest.raises(Damage):
        decode_snapshot(Note, other, _stamped(other.frame(body), body), KEY, STAMPS)


@pytest.mark.parametrize("purpose", set(Purpose) - {Purpose.SNAPSHOT})
def test_what_was_stamped_for_another_purpose_is_no_snapshot(purpose: Purpose) -> None:
    """M2"""
    body = CLEAR[1 + STAMP_BYTES :]
    parts = (LABEL.stream_id.bytes, LABEL.version.to_bytes(8, "big"), LABEL.topic.encode(), bytes((0, 1)), body)
    assert _stamped(framed(Purpose.SNAPSHOT, *parts), body) == CLEAR
    with pytest.raises(Damage):
        decode_snapshot(Note, LABEL, _stamped(framed(purpose, *parts), body), None, STAMPS)


def test_a_snapshot_of_a_foreign_store_key_is_found() -> None:
    """M2"""
    with pytest.raises(Damage):
        decode_snapshot(Note, LABEL, CLEAR, None, StoreKeys(bytes(32)))


def test_a_snapshot_under_an_erased_key_is_not_damaged() -> None:
    with pytest.raises(KeyErased):
        decode_snapshot(Note, LABEL, SEALED, DataKey(bytes(32), erasure=8), STAMPS)


def _stamped(frame: bytes, body: bytes) -> bytes:
    return bytes((FORMAT,)) + STAMPS.stamp(frame) + body
