"""Jobs are encoded and decoded without loss, and their confidential fields are sealed."""

import json
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.cause import Cause
from application.identity.account_jobs import OpenRequestedAccount
from application.jobs import PERFORMERS, Confidential, Job
from infra.jobs.encoding import JobCodec, UnknownForm, UnknownKind, cause_of, confidential_fields
from infra.jobs.housekeeping import PurgeJobs
from infra.sealing.job_seals import JobSeals
from infra.sealing.key_encryption import UnknownKey
from infra.sealing.store_keys import Damage
from tests.support.jobs import Greet, register


class Visit(Job, frozen=True, kw_only=True):
    """Fields of many types."""

    kind: ClassVar[str] = "visit"
    queue: ClassVar[str] = "mail"
    priority: ClassVar[int] = 7
    id: UUID
    at: datetime
    name: Confidential[str]
    nickname: Confidential[str] | None = None
    secret: Confidential[bytes] = b""
    rooms: tuple[int, ...] = ()

    @property
    def effect_key(self) -> str:
        return f"visit:{self.id}"

    @property
    def lock(self) -> str | None:
        return "door"


@pytest.fixture(scope="module", autouse=True)
def known() -> Any:
    async def visit(job: Visit) -> None: ...
    async def greet(job: Greet) -> None: ...

    with pytest.MonkeyPatch.context() as patched:
        register(patched, visit)
        register(patched, greet)
        yield


def codec(*keys: bytes) -> JobCodec:
    ids = {f"k{key[0]}": key * 32 for key in keys or (b"1",)}
    return JobCodec(JobSeals([*ids][-1], ids))


visits = st.builds(
    Visit,
    id=st.uuids(),
    at=st.datetimes(timezones=st.just(UTC)),
    name=st.text(),
    nickname=st.none() | st.text(),
    secret=st.binary(),
    rooms=st.lists(st.integers(-(2**31), 2**31)).map(tuple),
)


@given(visits)
def test_a_job_is_decoded_as_it_was(visit: Visit) -> None:
    encoded = codec().encode(visit)
    assert (encoded.queue, encoded.priority, encoded.lock) == ("mail", 7, "door")
    assert codec().decode(json.loads(encoded.args)) == visit


@given(visits, st.none() | st.builds(Cause, st.uuids(), st.none() | st.uuids()))
def test_a_job_keeps_its_cause(visit: Visit, cause: Cause | None) -> None:
    args = json.loads(codec().encode(visit, cause).args)
    assert cause_of(args) == cause
    assert ("cause" in args) == (cause is not None)  # jobs without one are kept as by earlier releases


@pytest.mark.parametrize("kept", [7, "request", {}, {"request": "7"}, {"request": 7}, {"request": [], "event": ""}])
def test_a_damaged_cause_is_damage(kept: object) -> None:
    with pytest.raises(Damage):
        cause_of({"kind": "visit", "cause": kept})


def test_whom_confidential_fields_are_about_can_be_read_without_a_key() -> None:
    ids = [UUID(int=2), UUID(int=1)]
    registration = OpenRequestedAccount(account_id=ids[0], email="a", name="b", password_hash="c", address_id=ids[1])
    assert json.loads(codec().encode(registration).args)["subjects"] == [str(UUID(int=1)), str(UUID(int=2))]
    assert "subjects" not in json.loads(codec().encode(PurgeJobs()).args)


@pytest.mark.parametrize("kind", [kind for kind in PERFORMERS if confidential_fields(kind)], ids=lambda kind: kind.kind)
def test_each_kind_with_confidential_fields_says_whom_they_are_about(kind: type[Job]) -> None:
    assert kind.subjects is not Job.subjects


def test_confidential_fields_are_found_also_where_they_may_be_missing() -> None:
    assert confidential_fields(Visit) == ("name", "nickname", "secret")


def test_confidential_fields_are_sealed_and_others_are_readable() -> None:
    args = codec().encode(Greet(number=3, name="Ana Canary")).args
    assert "Canary" not in args
    assert json.loads(args)["fields"] == {"number": 3}


def test_equal_jobs_have_different_seals() -> None:
    first, second = (codec().encode(Greet()).args for _ in range(2))
    assert first != second


def changed(**changes: Any) -> dict[str, Any]:
    """An encoded job with changes."""
    return {**json.loads(codec().encode(Greet()).args), **changes}


def test_a_seal_does_not_open_for_another_job() -> None:
    with pytest.raises(Damage):
        codec().decode(changed(effect="greet:2", fields={"number": 2}))
    other = json.loads(codec().encode(Greet(number=2)).args)["sealed"]
    with pytest.raises(Damage):
        codec().decode(changed(sealed=other))


def test_a_seal_does_not_open_for_another_kind() -> None:
    fields = {"id": str(UUID(int=1)), "at": "2026-01-01T00:00:00Z"}
    with pytest.raises(Damage):
        codec().decode(changed(kind="visit", fields=fields))


@pytest.mark.parametrize("position", [0, 1, 13, -1])
def test_changed_bytes_do_not_open(position: int) -> None:
    sealed = bytearray(b64decode(changed()["sealed"]))
    sealed[position] ^= 1
    with pytest.raises(Damage):
        codec().decode(changed(sealed=b64encode(sealed).decode()))


@pytest.mark.parametrize("sealed", ["", "AQ==", "not base64!"])
def test_cut_bytes_do_not_open(sealed: str) -> None:
    with pytest.raises(Damage):
        codec().decode(changed(sealed=sealed))


def test_an_effect_key_that_does_not_fit_is_an_unknown_form() -> None:
    """It is what makes a repeat recognisable. Another version of the code may derive it in another way."""
    with pytest.raises(UnknownForm):
        codec().decode(changed(fields={"number": 2}))


@pytest.mark.parametrize("missing", ["fields", "effect", "key"])
def test_what_is_not_an_encoded_job_is_damage(missing: str) -> None:
    args = changed()
    del args[missing]
    with pytest.raises(Damage):
        codec().decode(args)


def test_a_field_that_does_not_fit_is_an_unknown_form_and_is_not_quoted() -> None:
    with pytest.raises(UnknownForm) as caught:
        codec().decode(changed(fields={"number": "Canary"}))
    assert "Canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_a_job_of_a_later_version_with_a_further_field_is_decoded() -> None:
    assert codec().decode(changed(fields={"number": 1, "colour": "red"})) == Greet()


def test_an_earlier_key_opens_and_an_unknown_one_does_not() -> None:
    args = json.loads(codec(b"1").encode(Greet()).args)
    assert codec(b"1", b"2").decode(args) == Greet()
    with pytest.raises(UnknownKey):
        codec(b"2").decode(args)


def test_a_key_that_was_learned_opens() -> None:
    args = json.loads(codec(b"2").encode(Greet()).args)
    seals = JobSeals("k49", {"k49": b"1" * 32})
    seals.on_unknown = lambda: seals.learn({"k50": b"2" * 32})
    assert JobCodec(seals).decode(args) == Greet()


def test_a_kind_without_a_performer_is_unknown() -> None:
    with pytest.raises(UnknownKind):
        codec().decode(changed(kind="greet_from_tomorrow"))
