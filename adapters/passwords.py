"""Passwords: argon2id hashes (RFC 9106), strength by zxcvbn and NIST SP 800-63B-4, all of it off the event loop."""

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

SHORTEST = 15
LONGEST = 256
GOOD_SCORE = 3
JUDGED = 72
"""How many characters zxcvbn looks at: its time grows with the square of the length."""
WAITING = 64


class Argon2Passwords:
    """Implements `application.ports.Passwords`. Time and memory of a hash are OWASP's: 2 passes over 19 MiB, 1 lane.

    Lengths count code points after NFKC, the form that is hashed too: the same password typed on another keyboard is
    the same password.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._hasher = PasswordHash([Argon2Hasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)])
        self._pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, "passwords")
        self._waiting = 0
        self._judging = Lock()
        self._nobodys = self._hasher.hash(os.urandom(16))

    async def hash(self, password: str) -> str:
        """An argon2id hash in PHC form. Raises Unavailable when too many wait for theirs."""
        return await self._aside(lambda: self._hasher.hash(_normal(password)))

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Whether the password is right; False, after the same time, for `None`. Raises Unavailable like `hash`."""
        return await self._aside(lambda: self._verify(password, hashed))

    async def weakness(self, password: str, *known: str) -> str | None:
        """Why the password is too weak, for its user; None when it is good. `known`: words it may not rest on."""
        normal = _normal(password)
        if len(normal) < SHORTEST:
            return f"The password has fewer than {SHORTEST} characters; use a few words more."
        if len(normal) > LONGEST:
            return f"The password has more than {LONGEST} characters."
        return await self._aside(lambda: self._judge(normal, known))

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _verify(self, password: str, hashed: str | None) -> bool:
        normal = _normal(password)
        try:
            return self._hasher.verify(normal, hashed or self._nobodys) and bool(hashed)
        except UnknownHashError:  # what is left of an erased one
            self._hasher.verify(normal, self._nobodys)
            return False

    def _judge(self, normal: str, known: tuple[str, ...]) -> str | None:
        with self._judging:  # zxcvbn keeps the words of its last call in a global
            verdict = zxcvbn(normal[:JUDGED], [word[:JUDGED] for word in known])
        if verdict["score"] >= GOOD_SCORE:
            return None
        warning = verdict["feedback"]["warning"] or "This password is easy to guess."
        return f"{warning.rstrip('.')}. Add another word or two; uncommon words are better."

    async def _aside(self, work: Callable[[], T]) -> T:
        if self._waiting >= WAITING:
            raise Unavailable("Checking passwords")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _normal(password: str) -> str:
    return unicodedata.normalize("NFKC", password)
