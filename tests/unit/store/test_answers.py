"""Stored bytes of answers: their known form, and that no change to them passes."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.ports import Copy, Idempotency, KeptAnswer, Reference, StoredResponse
from domain.billing.subscription import Subscription
from domain.content.document import Document
from domain.kernel import NotFound
from infra.sealing.keyring import DataKey, StoredKey
from infra.sealing.receipts import receipt
from infra.sealing.store_keys import Damage
from infra.store.answers import HEADER_BYTES, AnswerCodec, StoredAnswer
from tests.support.given import NOW
from tests.support.metrics import sample
from tests.support.stores import KEK_ID, STAMPS, keyring_of

KEY, FINGERPRINT = b"k" * 32, b"f" * 32
SUBJECT, STREAM = UUID(int=1), UUID(int=2)
DATA_KEY = DataKey(bytes(32))

REFERENCE = Reference(Document, SUBJECT, 7)
ANSWERS: list[KeptAnswer] = [None, REFERENCE, Copy(b"42"), Copy(b"token", secret=True)]

KNOWN = {
    "nothing": (None, "0101000660dc3778d000cae66941d9efbd404e4d88758ea67670680c5233d6f7cb67f6030f12b7fcff2d0c909588"),
    "reference": (
        REFERENCE,
        "0102000660dc3778d000b6344034c9e81be0786ad187eb12ac2a680c52338295c42c3ee8eefecbd178e550f8dd1093a8646f63756d656e74c4100000000000000000000000000000000107",
    ),
    "copy": (
        Copy(b"42"),
        "0103000660dc3778d0006e49a9addd9aa45e8e92d3f09c1c94a4680c52337503b3e49db340d4f966d3adef31805100000000cb1679303f7fd030bf32ee942260b4a25c54e1602cc8991e1acc1f26bde4",
    ),
    "secret": (
        Copy(b"token", secret=True),
        "0104000660dc3778d00034e9902b283e131f6e79902473c9409e680c5233e0b874543ca083945914c04148404cf100000000a038c4ef774155b7f1d0375b75fe4f7312da4cc8e7a820f782558a798c31a17ded",
    ),
}
"""Known answers: what is stored for 48 hours must stay readable."""


def codec_with(*subjects: UUID, erased: UUID | None = None) -> AnswerCodec:
    """A codec. `subjects` have a data key; that of `erased` was destroyed."""

    async def fetch(_: list[UUID]) -> dict[UUID, StoredKey]:
        if erased is None:
            return {}
        return {erased: StoredKey(erased, None, KEK_ID, NOW, receipt(STAMPS, erased, NOW, 1))}

    keyring = keyring_of(fetch)
    for subject in subjects:
        keyring.cache.add(subject, DATA_KEY, keyring.cache.drops)
    return AnswerCodec(keyring)


def record(answer: KeptAnswer) -> Idempotency:
    return Idempotency(KEY, FINGERPRINT, SUBJECT, STREAM, 3, NOW, answer)


def stored(answer: bytes, **changed: Any) -> StoredAnswer:
    return StoredAnswer(KEY, FINGERPRINT, SUBJECT, STREAM, 3, answer, 11)._replace(**changed)


def encoded(answer: KeptAnswer) -> bytes:
    return codec_with(SUBJECT).encode(record(answer), DATA_KEY)


@pytest.mark.parametrize("name", KNOWN)
async def test_the_stored_form_is_known(name: str) -> None:
    answer, known = KNOWN[name]
    found = await codec_with(SUBJECT).decode(stored(bytes.fromhex(known)))
    assert found == StoredResponse(FINGERPRINT, answer, NOW, 11)
    assert isinstance(answer, Copy) or encoded(answer).hex() == known


@given(st.sampled_from(ANSWERS), st.data())
async def test_an_answer_with_any_byte_changed_is_damaged(answer: KeptAnswer, data: st.DataObject) -> None:
    """M1."""
    changed = bytearray(encoded(answer))
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    await is_damaged(stored(bytes(changed)))


@given(st.sampled_from(ANSWERS), st.data())
async def test_an_answer_cut_anywhere_is_damaged(answer: KeptAnswer, data: st.DataObject) -> None:
    whole = encoded(answer)
    length = data.draw(st.integers(0, len(whole) - 1))
    if not (length == HEADER_BYTES and answer == Copy(b"token", secret=True)):
        await is_damaged(stored(whole[:length]))


async def test_a_secret_that_was_cut_off_is_known_to_have_been_there() -> None:
    cut = encoded(Copy(b"token", secret=True))[:HEADER_BYTES]
    found = await codec_with(SUBJECT).decode(stored(cut))
    assert found.answer == Copy(None, secret=True)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize(
    "changed",
    [
        {"key": b"o" * 32},
        {"fingerprint": b"o" * 32},
        {"subject_id": UUID(int=3)},
        {"stream_id": UUID(int=3)},
        {"version": 4},
        {"position": None},
    ],
    ids="".join,
)
async def test_an_answer_beside_other_columns_is_damaged(answer: KeptAnswer, changed: dict[str, Any]) -> None:
    """M1: bound to its key, fingerprint, subject and position, the last by the event that has it."""
    await is_damaged(stored(encoded(answer), **changed))


async def is_damaged(changed: StoredAnswer) -> None:
    before = damages()
    with pytest.raises(Damage):
        await codec_with(SUBJECT, UUID(int=3)).decode(changed)
    assert damages() == before + 1


def damages() -> float:
    """The damaged answers that have been counted."""
    return sample("palimpsest_damage_total", {"kind": "answer"}) or 0.0


@pytest.mark.parametrize("answer", [REFERENCE, Copy(b"42")])
async def test_an_answer_about_an_erased_subject_is_not_found(answer: KeptAnswer) -> None:
    before = damages()
    with pytest.raises(NotFound, match="has been erased"):
        await codec_with(erased=SUBJECT).decode(stored(encoded(answer)))
    assert damages() == before


@pytest.mark.parametrize("answer", [REFERENCE, Copy(b"42")])
async def test_an_answer_about_a_subject_whose_key_is_missing_is_damaged(answer: KeptAnswer) -> None:
    with pytest.raises(Damage):
        await codec_with().decode(stored(encoded(answer)))


async def test_a_reference_to_an_aggregate_without_personal_data_takes_no_data_key() -> None:
    answer = Reference(Subscription, SUBJECT, 1)
    found = await codec_with().decode(stored(encoded(answer)))
    assert found.answer == answer
