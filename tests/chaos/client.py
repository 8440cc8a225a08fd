"""A client of the API on a bad day: it repeats what was not answered under the same key, and writes all of it down."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from tests.chaos.ledger import ACCEPTED, PASSING, Answered, Asked, Fault, LedgerFile, LoggedIn, Saw, digest
from tests.support.wire import NoReply, Reply, Wires

DEADLINE_SECONDS = 60.0
"""Nothing the service does takes so long: an answer that is later still has hung."""
LONGEST_PAUSE = 0.5
PATIENCE = (0, 1, 1, 5)
"""Seconds that a read may wait for its token."""


@dataclass(frozen=True, slots=True)
class User:
    """The user who sends a request; an anonymous one has no token."""

    id: UUID | None = None
    token: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """What says who asks."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True, slots=True)
class Operation:
    """Something to be done once, however often it is asked for. `about`: see `Asked`."""

    kind: str
    user: User
    method: str
    path: str
    body: dict[str, Any] | None = None
    stream_id: UUID | None = None
    expected: int | None = None
    about: str = ""
    key: str = field(default_factory=lambda: str(uuid7()))

    @property
    def request(self) -> str:
        """A digest of what is asked."""
        return digest({"line": f"{self.method} {self.path} {self.expected}", "body": self.body})


@dataclass(frozen=True, slots=True)
class Done:
    """The operation was acknowledged: `thing` is its answer."""

    operation: Operation
    thing: dict[str, Any]
    version: int
    position: int

    @property
    def id(self) -> UUID:
        """The stream."""
        return UUID(self.thing["id"])


class Client:
    """Talks to any of the APIs at `urls`."""

    def __init__(self, urls: Sequence[str], ledger: LedgerFile, seed: str) -> None:
        self._urls = urls
        self.ledger = ledger
        self._random = random.Random(seed)
        self._wires = Wires()

    def close(self) -> None:
        """Close the connections."""
        self._wires.close()

    def any_url(self) -> str:
        """The address of one of the APIs."""
        return self._random.choice(self._urls)

    async def insist(self, operation: Operation, until: float) -> Done | None:
        """Ask until there is an answer that settles it; None: it was refused or accepted, or `until` has come."""
        answered, body = await self.settle(operation, until)
        if answered is None or answered.status == ACCEPTED or not 200 <= answered.status < 300:
            return None
        assert answered.version is not None
        assert answered.position is not None
        return Done(operation, msgspec.json.decode(body), answered.version, answered.position)

    async def settle(self, operation: Operation, until: float) -> tuple[Answered | None, bytes]:
        """Ask until there is an answer that settles it, and return that with its body; None: `until` has come."""
        pause = 0.02
        while monotonic() < until:
            answered, body = await self.ask(operation)
            if 200 <= answered.status < 300 or (400 <= answered.status < 500 and answered.code not in PASSING):
                return answered, body
            await asyncio.sleep(self._random.uniform(0, pause))
            pause = min(pause * 2, LONGEST_PAUSE)
        return None, b""

    async def ask(self, operation: Operation) -> tuple[Answered, bytes]:
        """Ask once."""
        attempt = uuid7()
        self.ledger.write(
            Asked(
                attempt=attempt,
                operation=operation.key,
                kind=operation.kind,
                user_id=operation.user.id,
                request=operation.request,
                stream_id=operation.stream_id,
                expected=operation.expected,
                about=operation.about,
            )
        )
        headers = {
            **operation.user.headers,
            "Traceparent": f"00-{attempt.hex}-{'1' * 16}-00",
            "Idempotency-Key": operation.key,
        }
        if operation.expected is not None:
            headers["If-Match"] = f'"{operation.expected}"'
        answer = await self._send(operation.method, operation.path, headers, operation.body)
        answered = _read(attempt, answer)
        self.ledger.write(answered)
        return answered, b"" if isinstance(answer, str) else answer.body

    async def see(self, user: User, what: str, path: str, stream_id: UUID, token: int) -> None:
        """Read one thing, no older than `token`."""
        headers = {**user.headers, "Consistency-Token": str(token), "Prefer": f"wait={self._random.choice(PATIENCE)}"}
        answer = await self._send("GET", path, headers)
        if isinstance(answer, str) or answer.status not in (200, 404):
            return
        thing = answer.json() if answer.status == 200 else None
        if what == "list":
            thing = next((item for item in thing["items"] if item["id"] == str(stream_id)), None) if thing else None
        self.ledger.write(
            Saw(
                what=what,
                stream_id=stream_id,
                token=token,
                status=answer.status,
                version=thing["version"] if thing else None,
                tag=_tag(answer),
                lag=int(answer.headers.get("consistency-lag", 0)),
                body=digest(answer.body),
                whole=what in ("document", "user") and thing is not None,
            )
        )

    async def log_in(self, email: str, password: str, until: float, *, is_right: bool) -> None:
        """Log in, with the password of the account or with another, until there is an answer or `until` has come."""
        while monotonic() < until:
            answer = await self._send("POST", "/v1/auth/login", {}, {"email": email, "password": password})
            if not isinstance(answer, str) and answer.status < 500:
                self.ledger.write(LoggedIn(email=email, is_right=is_right, status=answer.status))
                return
            await asyncio.sleep(self._random.uniform(0, LONGEST_PAUSE))

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: dict[str, Any] | None = None
    ) -> Reply | str:
        """The answer; or why there is none."""
        url, content = self.any_url(), None if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                answer = await self._wires.request(method, url, path, headers, content)
        except TimeoutError:
            self.ledger.write(Fault(what=f"{method} {path}", words=f"no answer in {DEADLINE_SECONDS:.0f} s"))
            return "TimedOut"
        except NoReply as error:
            return str(error)
        fault = _fault(answer)
        if fault:
            self.ledger.write(Fault(what=f"{method} {path}", words=fault))
        return answer


def _read(attempt: UUID, answer: Reply | str) -> Answered:
    if isinstance(answer, str):
        return Answered(attempt=attempt, status=0, code=answer)
    status = answer.status
    if not 200 <= status < 300 or status == ACCEPTED:
        return Answered(attempt=attempt, status=status, code=_code(answer))
    thing = answer.json() if answer.body else {}
    is_versioned = "version" in thing  # a generation is not
    return Answered(
        attempt=attempt,
        status=status,
        stream_id=UUID(thing["id"]) if is_versioned else None,
        version=thing["version"] if is_versioned else None,
        tag=_tag(answer),
        position=int(answer.headers["consistency-token"]),
        body=digest(answer.body),
        replayed="idempotency-replayed" in answer.headers,
    )


def _tag(answer: Reply) -> str:
    return answer.headers.get("etag", "").strip('"')


def _code(answer: Reply) -> str:
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return ""


def _fault(answer: Reply) -> str | None:
    """What is wrong with the form of an answer."""
    status = answer.status
    if status < 400:
        return None
    if answer.headers.get("content-type") != "application/problem+json" or not _code(answer):
        return f"{status} without a problem"
    return f"500 {_code(answer)}" if status == 500 else None
