"""The bytes of events: known answers, which never change again, and the damage that is found (M1)."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from application.ports import Actor, CommandContext
from domain.identity.user import User
from domain.kernel import ERASED, Party, Root
from infra.sealing.keyring import ERASED_KEY, DataKey
from infra.sealing.store_keys import Damage, StoreKeys, tag_of
from infra.store.audit_leaf import LeafContent, content_of, leaf
from infra.store.codec import decode, layout_of
from infra.store.event_bytes import Metadata, call_header, metadata_of, tenant_bytes
from tests.support.note import Note
from tests.support.stored import by_hand, decoded
from tests.support.stores import STAMPS, STORE_KEY

NOTE, ADDRESS, EVENT = UUID(int=0x0E), UUID(int=0xAD), UUID(int=0xE7)
MOMENT = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)
KEYS = {NOTE.int: DataKey(b"n" * 32), ADDRESS.int: DataKey(b"a" * 32)}
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
FULL = CommandContext(Actor(UUID(int=1)), UUID(int=3), UUID(int=4), on_behalf_of=UUID(int=2), traceparent=TRACE)


def events() -> list[Root.Event]:
    note = Note.write(NOTE, "first")
    note.extend("second")
    note.show_to(ADDRESS, "ada@example.org")
    return [event for event in note.pending_events if isinstance(event, Root.Event)]


_, EXTENDED, SHOWN = events()

KNOWN = bytes.fromhex(
    "01680c5233468c54024e95c9e3f83a1569fbc12e810000002e1f0001000000000000000000000000000000e7020000000000"
    "0000000000000000000009000000000000000000000000000000010000000000000000000000000000000200000000000000"
    "00000000000000000300000000000000000000000000000004004bf92f3577b34da6a3ce929d0e0e473600f067aa0ba902b7"
    "0182a974696d657374616d70d6ff6b02d940aa616464726573735f6964c410000000000000000000000000000000ad000000"
    "3700000000070707070707070707070707133de78425be3f19962ecd1fdab40572b14b70d0e5afe7414d122b2312c1568eff"
    "929b9ccea0ba"
)
"""`SHOWN` under the metadata of `FULL`, with a nonce of four 0s and twelve 7s."""


def stored(event: Root.Event, call: CommandContext = FULL, stamps: StoreKeys = STAMPS) -> bytes:
    layout = layout_of(type(event))
    return layout.encode(event, EVENT.bytes, tenant_bytes(Party("team", UUID(int=9))), call_header(call), KEYS, stamps)


def read(state: bytes, topic: str = "note.shown_to", stream_id: UUID = NOTE, version: int = 3) -> Root.Event:
    return decode(topic, state, stream_id, version, KEYS, STAMPS, 1)


def test_an_event_has_these_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.urandom", lambda size: b"\x07" * size)
    assert stored(SHOWN).hex() == KNOWN.hex()
    assert read(KNOWN) == SHOWN


def test_another_program_can_check_and_open_an_event() -> None:
    """By the description in `event_bytes.py`, with nothing of ours but the names."""
    place = b"\x01\x01" + (13).to_bytes(2, "big") + b"note.shown_to" + NOTE.bytes + (3).to_bytes(8, "big")
    content = KNOWN[21:]
    mac = hashlib.blake2b(place + content, key=STORE_KEY, digest_size=16, person=b"palimpsest stamp").digest()
    tag = hashlib.blake2b(b"", key=STORE_KEY, digest_size=4, person=b"palimpsest tag").digest()
    assert KNOWN[:21] == b"\x01" + tag + mac
    # length, flags, class version, event id, tenant, four ids, traceparent
    clear_at = 4 + 1 + 2 + 16 + 17 + 4 * 16 + 26
    clear_end = clear_at + int.from_bytes(content[:4], "big")
    length, sealed = content[clear_end : clear_end + 4], content[clear_end + 4 :]
    assert int.from_bytes(length, "big") == len(sealed)
    bound = place + content[:clear_end] + b"address_id"
    opened = AESGCM(b"a" * 32).decrypt(sealed[:16], sealed[16:], bound)
    assert opened == b"\x81\xa5email\xafada@example.org"


def test_fields_that_are_none_take_no_bytes() -> None:
    user = User.register(id=NOTE, email="ada@example.org", name="Ada", password_hash="-", now=MOMENT)
    user.change_profile(name="Ada", avatar_url="https://example.org/a.png", now=MOMENT)
    user.change_profile(name="Ada", avatar_url=None, now=MOMENT)
    _, with_picture, without = [event for event in user.pending_events if isinstance(event, Root.Event)]
    assert len(stored(with_picture)) - len(stored(without)) == len(b"\xaaavatar_url\xb9https://example.org/a.png")
    assert read(stored(without), User.ProfileChanged.TOPIC, NOTE, 3) == without


def test_metadata_come_back() -> None:
    assert metadata_of(KNOWN) == Metadata(
        EVENT, 1, Party("team", UUID(int=9)), UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4), TRACE
    )
    bare = stored(EXTENDED, CommandContext(None, UUID(int=3)))
    assert metadata_of(bare) == Metadata(EVENT, 1, Party("team", UUID(int=9)), correlation_id=UUID(int=3))


@given(at=st.integers(0, len(KNOWN) - 1), bit=st.integers(0, 7))
def test_a_changed_bit_is_found_wherever_it_is(at: int, bit: int) -> None:
    changed = bytearray(KNOWN)
    changed[at] ^= 1 << bit
    with pytest.raises(Damage):
        read(bytes(changed))


@pytest.mark.parametrize("length", range(0, len(KNOWN), 7))
def test_a_cut_or_longer_event_is_found(length: int) -> None:
    for changed in (KNOWN[:length], KNOWN + KNOWN[:length] + b"\0", KNOWN[:length] + b"\0" + KNOWN[length:]):
        with pytest.raises(Damage):
            read(changed)


def test_an_event_fits_in_its_own_place_only() -> None:
    for topic, stream_id, version in (
        ("note.extended", NOTE, 3),
        ("note.shown_to", UUID(int=0xF), 3),
        ("note.shown_to", NOTE, 2),
    ):
        with pytest.raises(Damage):
            read(KNOWN, topic, stream_id, version)


def test_parts_of_two_events_cannot_be_put_together() -> None:
    """Also under one stamp: the sealed part is bound by its own key, too."""
    other = stored(SHOWN, CommandContext(Actor(UUID(int=6)), UUID(int=3)))
    for at in (21, 57, 150, len(KNOWN) - 40):
        with pytest.raises(Damage):
            read(KNOWN[:at] + other[at:])


def test_an_event_of_another_store_key_is_not_ours() -> None:
    with pytest.raises(Damage, match="not known"):
        read(stored(SHOWN, stamps=StoreKeys(b"f" * 32)))


def test_an_event_of_an_earlier_store_key_is_read() -> None:
    both = StoreKeys(b"f" * 32, [STORE_KEY])
    assert decode("note.shown_to", KNOWN, NOTE, 3, KEYS, both, 1) == SHOWN
    assert stored(SHOWN, stamps=both)[1:5] == tag_of(b"f" * 32)


def test_an_event_of_an_older_version_is_upcast_on_read() -> None:
    bytes_of_version_1 = by_hand("note.written", NOTE, 1, {"author_id": UUID(int=1)}, class_version=1, sealed=1)
    event = decoded("note.written", bytes_of_version_1, NOTE, 1, {NOTE.int: ERASED_KEY})
    assert isinstance(event, Note.Written)
    assert (event.colour, event.text) == ("white", ERASED)


def test_a_leaf_has_these_bytes() -> None:
    assert leaf(7, NOTE, 3, "note.shown_to", KNOWN, MOMENT).hex() == (
        "01000000000000000700066169085c70000000000000000000000000000000000e0000000000000003000d6e6f74652e7368"
        "6f776e5f746fa8ac28becd24ffc60389fa6676fb32cd07ecca435ce88e3de99915985b786e0e"
    )


@given(
    st.integers(1, 2**63 - 1),
    st.uuids(),
    st.integers(1, 2**63 - 1),
    st.text(max_size=300),
    st.binary(max_size=100),
    st.integers(-(10**15), 10**15),
)
def test_a_leaf_says_of_an_event_what_it_was_made_of(
    position: int, stream_id: UUID, version: int, topic: str, state: bytes, microseconds: int
) -> None:
    recorded_at = MOMENT + timedelta(microseconds=microseconds)
    entry = leaf(position, stream_id, version, topic, state, recorded_at)
    digest = hashlib.sha256(state).digest()
    assert content_of(entry) == LeafContent(position, stream_id, version, topic, digest, recorded_at)
    for other in (entry[:-1], entry + b"x", b"\2" + entry[1:], b""):
        with pytest.raises(ValueError, match="not a leaf"):
            content_of(other)
