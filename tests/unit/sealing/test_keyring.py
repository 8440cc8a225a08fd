"""Data keys: each opens for its own subject only, and a receipt distinguishes an erased one from a damaged one."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from infra.sealing.key_encryption import WRAPPED_BYTES, KeyEncryptionKeys, UnknownKey
from infra.sealing.keyring import DataKey, ErasedKey, KeyErased, Keyring, StoredKey, WrappedKey
from infra.sealing.receipts import receipt
from infra.sealing.store_keys import Damage, StoreKeys
from tests.support.stores import KEK, STORE_KEY

ERASURE = 5
"""The version of the event that erased a subject."""
NOW = datetime(2026, 11, 22, 12, 0, 0, 123456, tzinfo=UTC)
ONE, OTHER = uuid4(), uuid4()
STAMPS = StoreKeys(STORE_KEY)
KEYS = KeyEncryptionKeys("new", {"new": KEK, "old": bytes(32)})
OLD_KEYS = KeyEncryptionKeys("old", {"old": bytes(32)})


def keyring(*rows: StoredKey, keys: KeyEncryptionKeys = KEYS) -> Keyring:
    async def fetch(_: list[UUID]) -> dict[UUID, StoredKey]:
        return {row.subject_id: row for row in rows}

    return Keyring(keys, fetch, STAMPS)


def stored(wrapped: WrappedKey) -> StoredKey:
    return StoredKey(wrapped.subject_id, wrapped.wrapped, wrapped.kek_id, None, None)


def erased(subject_id: UUID, stamps: StoreKeys = STAMPS) -> StoredKey:
    return StoredKey(subject_id, None, "new", NOW, receipt(stamps, subject_id, NOW, ERASURE))


async def is_damage(row: StoredKey, *others: StoredKey) -> bool:
    """Whether the row is damage where it is asked for alone, and left out among others."""
    with pytest.raises(Damage):
        await keyring(row).get(row.subject_id)
    found = await keyring(row, *others).all([row.subject_id, *(other.subject_id for other in others)])
    return found.keys() == {other.subject_id.int for other in others}


def flips(data: bytes) -> Iterable[bytes]:
    for index in range(len(data)):
        yield bytes([*data[:index], data[index] ^ 1, *data[index + 1 :]])


async def test_a_stored_key_opens_what_the_new_one_sealed() -> None:
    key, wrapped = keyring().mint(ONE)
    opened = await keyring(stored(wrapped)).get(ONE)
    assert isinstance(opened, DataKey)
    assert opened.unseal(key.seal(b"text", b"context"), b"context") == b"text"
    assert len(wrapped.wrapped) == WRAPPED_BYTES


async def test_a_subject_without_a_row_has_no_key() -> None:
    assert await keyring().get(ONE) is None
    assert await keyring().all([ONE]) == {}


async def test_the_id_of_the_key_encryption_key_chooses_it() -> None:
    """H6: `kek_id` was stored and never read."""
    _, before = keyring(keys=OLD_KEYS).mint(ONE)
    _, now = keyring().mint(OTHER)
    assert (before.kek_id, now.kek_id) == ("old", "new")
    assert (await keyring(stored(before), stored(now)).all([ONE, OTHER])).keys() == {ONE.int, OTHER.int}


async def test_a_key_that_is_planted_relabelled_or_changed_is_damage_of_its_subject_alone() -> None:
    """M1, H6: a wrapped key is bound to its subject and to its key-encryption key."""
    _, wrapped = keyring().mint(ONE)
    _, other = keyring().mint(OTHER)
    row, sound = stored(wrapped), stored(other)
    planted = sound._replace(subject_id=ONE)
    for bad in (planted, row._replace(kek_id="old"), row._replace(wrapped=None), row._replace(wrapped=b"")):
        assert await is_damage(bad, sound)
    for changed in flips(wrapped.wrapped):
        assert await is_damage(row._replace(wrapped=changed), sound)


async def test_a_damaged_key_is_reported_with_its_subject() -> None:
    _, wrapped = keyring().mint(ONE)
    with capture_logs() as lines:
        assert await keyring(stored(wrapped)._replace(wrapped=b"")).all([ONE]) == {}
    reported = {"event": "stored bytes are damaged", "kind": "key", "subject_id": str(ONE), "log_level": "error"}
    assert lines == [{**reported, "reason": "not a wrapped key of this format"}]


async def test_a_key_under_an_unknown_key_encryption_key_is_named_so() -> None:
    _, wrapped = keyring().mint(ONE)
    with pytest.raises(UnknownKey):
        await keyring(stored(wrapped), keys=OLD_KEYS).get(ONE)


async def test_a_destroyed_key_with_a_receipt_is_erased() -> None:
    assert await keyring(erased(ONE)).get(ONE) == ErasedKey(ERASURE)
    assert await keyring(erased(ONE)).all([ONE]) == {ONE.int: ErasedKey(ERASURE)}


async def test_a_receipt_that_does_not_fit_is_damage() -> None:
    """M1: a database writer without keys cannot pass destroyed data off as erased."""
    row = erased(ONE)
    assert row.receipt is not None
    later = row._replace(erased_at=NOW + timedelta(microseconds=1))
    foreign = erased(ONE, StoreKeys(bytes(32)))
    for bad in (later, foreign, erased(OTHER)._replace(subject_id=ONE), row._replace(erased_at=None)):
        assert await is_damage(bad, erased(OTHER))
    for changed in flips(row.receipt):
        assert await is_damage(row._replace(receipt=changed))


async def test_a_key_made_after_an_erasure_tells_what_the_erased_one_sealed() -> None:
    before, _ = keyring().mint(ONE)
    _, wrapped = keyring().mint(ONE, ErasedKey(ERASURE))
    key = await keyring(erased(ONE)._replace(wrapped=wrapped.wrapped)).get(ONE)
    assert isinstance(key, DataKey)
    assert key.unseal(key.seal(b"text", b""), b"") == b"text"
    with pytest.raises(KeyErased):
        key.unseal(before.seal(b"text", b""), b"")


async def test_a_receipt_counts_for_what_was_sealed_before_its_erasure() -> None:
    """M1: without its key, what a later key sealed is damage, until that key is erased, too."""
    first, _ = keyring().mint(ONE)
    second, _ = keyring().mint(ONE, ErasedKey(ERASURE))
    gone, gone_again = await keyring(erased(ONE)).get(ONE), ErasedKey(ERASURE + 1)
    assert gone is not None
    for key in (gone, gone_again):
        with pytest.raises(KeyErased):
            key.unseal(first.seal(b"text", b""), b"")
    with pytest.raises(Damage):
        gone.unseal(second.seal(b"text", b""), b"")
    with pytest.raises(KeyErased):
        gone_again.unseal(second.seal(b"text", b""), b"")
    with pytest.raises(Damage):
        DataKey(bytes(32), ERASURE).unseal(second.seal(b"text", b""), b"")


def test_sealed_bytes_that_were_changed_or_moved_are_damage() -> None:
    key = DataKey(bytes(32))
    sealed = key.seal(b"text", b"context")
    for changed in (*flips(sealed), b"", sealed[:20]):
        with pytest.raises(Damage):
            key.unseal(changed, b"context")
    with pytest.raises(Damage):
        key.unseal(sealed, b"another")


def test_stored_forms_are_those_that_databases_hold() -> None:
    """M1: known answers; a change of format or derivation would make stored keys and receipts unreadable."""
    wrapped = bytes.fromhex(
        "010e8ade9c69e48c29262e41f28fd57e9b1a5b37ce03d4cf3455f078341c"
        "b675b6d1b7dc859a8480a7f850745331f485899188c9d0890530ce8c27d76e"
    )
    keys = KeyEncryptionKeys("kek", {"kek": KEK})
    assert keys.unwrap(UUID(int=1), wrapped, "kek") == bytes(range(32))
    assert receipt(STAMPS, UUID(int=1), NOW, 258).hex() == "01680c523398e4ce0e2f47bc326f4014bf29bb1b6a00000102"
