"""Passwords: argon2id hashes (RFC 9106), strength by zxcvbn and NIST SP 800-63B-4; computed in threads."""

import asyncio
import os
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn import zxcvbn

from application.ports import Unavailable

T = TypeVar("T")

MIN_LENGTH = 15
MAX_LENGTH = 256
MIN_SCORE = 3
MAX_SCORED_LENGTH = 72
"""Characters that zxcvbn gets: its time grows with the square of the length."""
MAX_WAITING = 64
"""Calls in progress or waiting for a thread; more are refused."""


class Argon2Passwords:
    """Implements `application.ports.Passwords`. Cost of a hash, as OWASP recommends: 2 passes over 19 MiB, 1 lane.

    Passwords are normalised (NFKC) before they are measured and hashed, so that the same text from another keyboard is
    the same password. Lengths count code points.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._hasher = PasswordHash([Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)])
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, "passwords")
        self._waiting = 0
        self._scoring = Lock()
        self._decoy = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """Return an argon2id hash in PHC form.

        Raises:
            Unavailable: too many calls are waiting.
        """
        return await self._in_thread(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Return whether the password matches the hash; without a hash False, after the same time.

        Raises:
            Unavailable: too many calls are waiting.
        """
        return await self._in_thread(lambda: self._verify(password, hashed))

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
        return await self._in_thread(lambda: self._warning(normal, known))

    def close(self) -> None:
        """Stop the threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, hashed: str | None) -> bool:
        normal = _normal(password)
        try:
            return self._hasher.verify(normal, hashed or self._decoy) and bool(hashed)
        except UnknownHashError:  # the hash was erased
            self._hasher.verify(normal, self._decoy)
            return False

    def _warning(self, normal: str, known: tuple[str, ...]) -> str | None:
        with self._scoring:  # zxcvbn keeps the words of its last call in a global variable
            verdict = zxcvbn(normal[:MAX_SCORED_LENGTH], [word[:MAX_SCORED_LENGTH] for word in known])
        if verdict["score"] >= MIN_SCORE:
            return None
        warning = verdict["feedback"]["warning"] or "This password is easy to guess."
        return f"{warning.rstrip('.')}. Add another word or two; uncommon words are better."

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("Checking passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
