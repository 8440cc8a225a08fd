"""Passwords are hashed as they should be, exactly compared, and refused with a reason."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pwdlib.hashers.argon2 import Argon2Hasher

from adapters.passwords import Argon2Passwords
from application.ports import Unavailable

GOOD = "umber cartwheel tenfold mist"


@pytest_asyncio.fixture
async def passwords() -> AsyncIterator[Argon2Passwords]:
    adapter = Argon2Passwords(threads=2)
    yield adapter
    adapter.close()


async def test_a_hash_names_its_parameters_and_verifies(passwords: Argon2Passwords) -> None:
    hashed = await passwords.hash(GOOD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert await passwords.verify(GOOD, hashed)


@pytest.mark.parametrize("other", [GOOD.upper(), GOOD + " ", GOOD[:-1]])
async def test_only_the_exact_password_is_right(passwords: Argon2Passwords, other: str) -> None:
    assert not await passwords.verify(other, await passwords.hash(GOOD))


async def test_what_follows_the_72nd_byte_counts(passwords: Argon2Passwords) -> None:
    assert not await passwords.verify("x" * 72 + "b", await passwords.hash("x" * 72 + "a"))


async def test_the_same_password_in_another_unicode_form_is_right(passwords: Argon2Passwords) -> None:
    assert await passwords.verify(
        "cafe\u0301 a\u0300 la cre\u0300me", await passwords.hash("caf\u00e9 \u00e0 la cr\u00e8me")
    )


@pytest.mark.parametrize("hashed", [None, "[erased]", ""])
async def test_without_a_hash_no_password_is_right(passwords: Argon2Passwords, hashed: str | None) -> None:
    assert not await passwords.verify(GOOD, hashed)


@pytest.mark.parametrize("hashed", [None, "[erased]", "", "right", "wrong"])
async def test_asvs_6_3_8_a_check_takes_one_run_of_argon2_with_or_without_a_hash(
    passwords: Argon2Passwords, hashed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {"right": await passwords.hash(GOOD), "wrong": await passwords.hash(GOOD[::-1])}
    runs, verify = [], Argon2Hasher.verify

    def counted(self: Argon2Hasher, password: str | bytes, hash: str | bytes) -> bool:
        runs.append(str(hash).rpartition("$")[0].rpartition("$")[0])
        return verify(self, password, hash)

    monkeypatch.setattr(Argon2Hasher, "verify", counted)
    assert await passwords.verify(GOOD, kept.get(hashed or "", hashed)) == (hashed == "right")
    assert runs == ["$argon2id$v=19$m=19456,t=2,p=1"]


@pytest.mark.parametrize(
    "weak",
    [
        "umber cartwhee",  # 14
        "a" * 20,
        "passwordpassword",
        "qwertyuiopasdfgh",
        "x" * 257,
        "\ufb03" * 4,  # 4 ligatures, 12 letters once normalised
    ],
)
async def test_a_weak_password_is_refused_with_a_reason(passwords: Argon2Passwords, weak: str) -> None:
    reason = await passwords.weakness(weak)
    assert reason is not None
    assert weak not in reason


@pytest.mark.parametrize("good", [GOOD, "no capitals and no digits here", "umber cartwheel", GOOD + " " + "y" * 220])
async def test_a_good_password_needs_no_digits_and_no_capitals(passwords: Argon2Passwords, good: str) -> None:
    assert await passwords.weakness(good) is None


async def test_a_password_may_not_rest_on_what_is_known_of_its_user(passwords: Argon2Passwords) -> None:
    assert await passwords.weakness("wilhelmina.strozzi") is None
    assert await passwords.weakness("wilhelmina.strozzi", "wilhelmina.strozzi") is not None


async def test_too_many_at_once_are_told_to_come_back(
    passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.passwords.MAX_WAITING", 4)
    asked = [asyncio.create_task(passwords.verify("x", None)) for _ in range(5)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(end) for end in ended].count(Unavailable) == 1
