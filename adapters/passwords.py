"""Passwords: argon2id hashes (RFC 9106), strength by zxcvbn and NIST SP 800-63B-4; computed in threads.

Hashing and scoring have threads of their own: however many passwords wait to be scored, no login waits behind them. The
work of scoring is bounded by what zxcvbn gets, because a thread cannot be stopped. zxcvbn tries every combination of
letters that the symbols and digits of a password may stand for; it gets few different symbols, and further ones as
characters that stand for nothing. So a password is never refused for being long or rich in symbols. At worst a word of
which each letter is written in many ways passes; common passwords, names, dates and repeats are always found.
"""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn_rs_py import zxcvbn

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
"""Calls in progress or waiting for a thread, of hashing and of scoring; more are refused."""


class Argon2Passwords:
    """Implements `application.ports.Passwords`. Cost of a hash, as OWASP recommends: 2 passes over 19 MiB, 1 lane.

    Passwords are normalised (NFKC) before they are measured and hashed, so that the same text from another keyboard is
    the same password. Lengths count code points.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._hasher = PasswordHash([Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)])
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
        return await self._scoring.run(lambda: _warning(normal, known))

    def close(self) -> None:
        """Stop the threads."""
        self._hashing.close()
        self._scoring.close()

    def _verify(self, password: str, hashed: str | None) -> bool:
        normal = _normal(password)
        try:
            return self._hasher.verify(normal, hashed or self._decoy) and bool(hashed)
        except UnknownHashError:  # the hash was erased
            self._hasher.verify(normal, self._decoy)
            return False


class _Threads:
    """A pool of threads with a bounded queue."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Checking passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)


def scored_part(text: str) -> str:
    """Return the text that zxcvbn gets. Each symbol has one replacement, so that repeats stay repeats."""
    text = text[:MAX_SCORED_LENGTH]
    symbols = [character for character in dict.fromkeys(text) if character in SYMBOLS]
    return text.translate({ord(symbol): 0xE000 + ord(symbol) for symbol in symbols[MAX_SCORED_SYMBOLS:]})


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)


def _warning(normal: str, known: tuple[str, ...]) -> str | None:
    verdict = zxcvbn(scored_part(normal), [scored_part(word) for word in known])
    if int(verdict.score) >= MIN_SCORE:
        return None
    warning = str((verdict.feedback and verdict.feedback.warning) or "This password is easy to guess.")
    return f"{warning.rstrip('.')}. Add another word or two; uncommon words are better."
