"""Ordinary clients: a few accounts that write, read and log in at a steady pace, and measure how long that takes."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from math import inf
from time import monotonic
from typing import Any

import msgspec

from tests.chaos.client import DEADLINE_SECONDS, User
from tests.support.http import PASSWORD
from tests.support.wire import NoReply, Reply, Wires

PACE_SECONDS = 0.15
"""From the start of an operation to that of the next."""


class WrongReply(Exception):
    """An answer that an ordinary client should not get."""


@dataclass
class Measured:
    """How long operations took in a time, in seconds, and what went wrong."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    errors: list[str] = field(default_factory=list)

    def p95(self, operation: str) -> float:
        """What 95 of 100 operations were quicker than; of none, no time is enough."""
        times = sorted(self.seconds[operation]) or [inf]
        return times[len(times) * 95 // 100]


class OrdinaryClient:
    """One client. The time of an operation counts from when it was due, so that waiting for an earlier one counts."""

    def __init__(self, urls: Sequence[str], user: User, email: str, measured: Measured) -> None:
        self._urls = urls
        self._user = user
        self._email = email
        self._measured = measured
        self._random = random.Random(email)
        self._wires = Wires()
        self._due = 0.0

    async def work(self, seconds: float) -> None:
        """Do the same again and again for so many seconds."""
        self._due = monotonic() + self._random.uniform(0, PACE_SECONDS)
        end = self._due + seconds
        with closing(self._wires):
            while self._due < end:
                try:
                    await self._live()
                except (NoReply, TimeoutError, WrongReply) as error:
                    self._measured.errors.append(repr(error))

    async def _live(self) -> None:
        """Log in, write a document, change it, and read it and a list of documents."""
        # An account has so many sessions, and a further one ends the first: each round goes on with its own.
        login = {"email": self._email, "password": PASSWORD}
        entered = await self._ask("log in", "POST", "/v1/auth/login", 200, {}, login)
        self._user = replace(self._user, token=msgspec.json.decode(entered.body)["access_token"])
        draft = {"title": f"Notes {self._random.random()}", "content": "Otters sleep in the reeds."}
        made = await self._ask("create", "POST", "/v1/documents", 201, {}, draft)
        path, change = made.headers["location"], {**draft, "content": "Otters sleep in the sun.", "status": "published"}
        edited = await self._ask("edit", "PUT", path, 200, {"If-Match": made.headers["etag"]}, change)
        fresh = {"Consistency-Token": edited.headers["consistency-token"], "Prefer": "wait=5"}
        read = await self._ask("read", "GET", path, 200, fresh)
        if read.body != edited.body:
            raise WrongReply("read", read.headers, read.body)
        await self._ask("list", "GET", "/v1/documents?limit=20", 200, {})

    async def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        status: int,
        headers: dict[str, str],
        body: dict[str, Any] | None = None,
    ) -> Reply:
        """Ask when it is due.

        Raises:
            NoReply, TimeoutError: there was no answer.
            WrongReply: the answer has another status.
        """
        await asyncio.sleep(self._due - monotonic())
        content = None if body is None else msgspec.json.encode(body)
        url, headers = self._random.choice(self._urls), {**self._user.headers, **headers}
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                reply = await self._wires.request(method, url, path, headers, content)
        finally:
            self._measured.seconds[operation].append(monotonic() - self._due)
            self._due += PACE_SECONDS
        if reply.status != status:
            raise WrongReply(operation, reply.status, reply.body)
        return reply
