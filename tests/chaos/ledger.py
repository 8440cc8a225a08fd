"""The ledger: the requests of clients and their answers, kept outside the processes that are killed.

A line a fact, written before the request goes out and when its answer is in; lines are only ever added.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID

import msgspec

ACCEPTED = 202
"""The status of a request whose work is done later: its answer says nothing about what will come of it."""


class Asked(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A request goes out. `attempt` is the id of its trace, which the log keeps; repeats have the same `operation`.

    `about`: the address, or the digest of the token, that it is about.
    """

    attempt: UUID
    operation: str
    kind: str
    user_id: UUID | None
    request: str
    stream_id: UUID | None = None
    expected: int | None = None
    about: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Its answer came. `status` 0: none, and `code` says why. `position`: the Consistency-Token; `tag`: the ETag."""

    attempt: UUID
    status: int
    code: str = ""
    stream_id: UUID | None = None
    version: int | None = None
    tag: str = ""
    position: int | None = None
    body: str = ""
    replayed: bool = False


class Saw(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A read was answered. `token`: what it may not be older than; `lag`: how much older it said to be.

    `version` None: there is no such thing. `whole`: `body` is all of the thing that has that tag.
    """

    what: str
    stream_id: UUID
    token: int
    status: int
    version: int | None = None
    tag: str = ""
    lag: int = 0
    body: str = ""
    whole: bool = False


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A login was answered. `is_right`: whether it had the password of the account."""

    email: str
    is_right: bool
    status: int


class Watched(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A watcher of a generation got an event. `offset`: the characters of the attempt until there.

    `watcher` is the same before and after a break of the connection. `text`: of a `text`; `status`: of an `end`.
    """

    watcher: UUID
    generation_id: UUID
    event: str
    attempt: int
    offset: int
    text: str = ""
    status: str = ""


class Published(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A reader of the signed log got another checkpoint than before."""

    note: str


class Fault(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An answer that no client should get: an error without a problem's form, or none in all that time."""

    what: str
    words: str


PASSING = {"in_flight", "busy"}
"""Refusals after which one asks again."""

Line = Asked | Answered | Saw | LoggedIn | Watched | Published | Fault
_LINE = msgspec.json.Decoder(Line)
_encode = msgspec.json.Encoder().encode


class LedgerFile:
    """Adds lines to a file."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, line: Line) -> None:
        """Add a line: it is with the operating system when this returns."""
        os.write(self._file, _encode(line) + b"\n")

    def __enter__(self) -> "LedgerFile":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._file)


@dataclass
class Attempt:
    """A request and its answer, if one came."""

    asked: Asked
    answered: Answered | None = None

    @property
    def acknowledged(self) -> Answered | None:
        """The answer that says that it was done."""
        answered = self.answered
        is_done = answered is not None and 200 <= answered.status < 300 and answered.status != ACCEPTED
        return answered if is_done else None

    @property
    def accepted(self) -> bool:
        """Whether the answer says that it will be worked on."""
        return self.answered is not None and self.answered.status == ACCEPTED

    @property
    def refused(self) -> bool:
        """Whether the answer says that it will not be done, so that asking again does not help."""
        answered = self.answered
        return answered is not None and 400 <= answered.status < 500 and answered.code not in PASSING

    @property
    def nothing_done(self) -> bool:
        """Whether the answer says that this request wrote nothing."""
        return self.refused or (self.answered is not None and self.answered.code in {*PASSING, "unavailable"})


@dataclass
class Ledger:
    """What the lines say."""

    attempts: dict[UUID, Attempt] = field(default_factory=dict)
    saw: list[Saw] = field(default_factory=list)
    logins: list[LoggedIn] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    published: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def operations(self) -> dict[str, list[Attempt]]:
        """The attempts of each operation, in order."""
        found: dict[str, list[Attempt]] = {}
        for attempt in self.attempts.values():
            found.setdefault(attempt.asked.operation, []).append(attempt)
        return found

    def acknowledged(self) -> Iterator[tuple[Attempt, Answered]]:
        """All answers that say that something was done."""
        for attempt in self.attempts.values():
            if attempt.acknowledged is not None:
                yield attempt, attempt.acknowledged

    def take(self, line: Line) -> None:
        """Add a line."""
        match line:
            case Asked():
                self.attempts[line.attempt] = Attempt(line)
            case Answered():
                self.attempts[line.attempt].answered = line
            case Saw():
                self.saw.append(line)
            case LoggedIn():
                self.logins.append(line)
            case Watched():
                self.watched.append(line)
            case Published():
                self.published.append(line.note)
            case Fault():
                self.faults.append(line)


def read(path: Path) -> Ledger:
    """What the file says."""
    ledger = Ledger()
    with path.open("rb") as file:
        for line in file:
            ledger.take(_LINE.decode(line))
    return ledger


def digest(body: bytes | Mapping[str, Any] | None) -> str:
    """A short name for a body."""
    raw = body if isinstance(body, bytes) else _encode(body)
    return hashlib.sha256(raw).hexdigest()[:16]
