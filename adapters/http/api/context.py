"""One request and its answer: who asks, under which conditions, and what the answer says beside its body."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from fastapi import Depends, Request
from starlette.responses import JSONResponse

from adapters.http.api.problems import CHALLENGE, InsufficientScope, Malformed, NotSettled, Unauthenticated
from adapters.http.api.tokens import BadToken, Identity, Tokens
from adapters.integration_events.asyncapi import LOCAL, Broker
from adapters.realtime.hub import EventHub
from application.bus import Command, CommandResult
from application.ports import Clock, CommandContext, EventStore, NewId, ReadStore
from domain.kernel import NotFound

R = TypeVar("R")
V = TypeVar("V")

KEY = re.compile(r"[!-~]{1,255}")
POSITION = re.compile(r"[0-9]{1,18}")
VERSION = re.compile(r"[0-9]{1,9}")
NO_VERSION = 0
"""What nothing has, as versions start at 1."""
ENTITY_TAG = re.compile(r'"([!#-~]*)"')
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,4})\"?\s*(?=$|[,;])", re.IGNORECASE)
DEFAULT_WAIT = 1.0
SETTLE_WAIT = 5.0

encode = msgspec.json.Encoder().encode


class SendCommand(Protocol):
    """The bus."""

    async def __call__(self, command: Command[R], call: CommandContext) -> CommandResult[R]: ...


class Positions(Protocol):
    """How far the read models have come."""

    async def wait(self, read_model: str, position: int, timeout: float) -> int:
        """Wait until the read model has reached the position, for at most `timeout` seconds.

        Answers how many positions it is behind: 0 when it has reached it.
        """


class Observe(Protocol):
    """Is told how each request ended. `seconds` run until the last byte was handed over."""

    def __call__(
        self, method: str, route: str, path: str | None, status: int, seconds: float, user_id: str | None
    ) -> None:
        """`route` is its template; `path` is None where it may hold anything, hence is not to be logged."""


@dataclass(frozen=True, slots=True)
class Deps:
    """What HTTP needs from the rest of the house.

    `history` is asked for what something was once; `live` follows the log; `head` tells the last position of the log.
    `checks` are asked for readiness, by the name of the server: each raises when its server does not answer; without
    one of `vital` we are not ready. `broker`: what differs between installations in what is said of the stream.
    """

    send: SendCommand
    rows: ReadStore
    history: EventStore
    positions: Positions
    live: EventHub
    head: Callable[[], Awaitable[int]]
    tokens: Tokens
    clock: Clock
    new_id: NewId
    observe: Observe
    checks: dict[str, Callable[[], Awaitable[object]]]
    vital: frozenset[str] = frozenset({"database"})
    broker: Broker = LOCAL
    cors_origins: tuple[str, ...] = ()
    max_body_bytes: int = 10_000_000
    read_wait_max: float = 5.0


class Answer(JSONResponse):
    """Ready bytes. Builds its headers without the detours of its base."""

    def __init__(
        self,
        body: bytes = b"",
        status: int = 200,
        headers: Sequence[tuple[bytes, bytes]] = (),
        media: bytes = b"application/json",
    ) -> None:
        self.body = body
        self.status_code = status
        self.background = None
        self.raw_headers = [*headers]
        if status not in (204, 304):
            self.raw_headers += [(b"content-type", media), (b"content-length", b"%d" % len(body))]


class RequestContext:
    """A request since it came in, and the rest of the house. Travels in the ASGI scope.

    `status` is the one to answer with when all is well; `answered` the one that was (0: none yet). `path` is known once
    its parameters are valid: until then it may hold anything, and is not logged. `lag` tells by how many positions the
    answer is older than it should be.
    """

    __slots__ = ("answered", "deps", "headers", "identity", "lag", "path", "request_id", "route", "status")

    def __init__(self, deps: Deps, headers: Mapping[bytes, bytes], request_id: UUID) -> None:
        self.deps = deps
        self.headers = headers
        self.request_id = request_id
        self.identity: Identity | None = None
        self.route = "unknown"
        self.path: str | None = None
        self.status = 200
        self.answered = 0
        self.lag = 0

    def header(self, name: bytes) -> str | None:
        """A header of the request by its name in lower case."""
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def authenticate(self, scope: str) -> None:
        """Find out who asks.

        Raises:
            Unauthenticated: there is no good token.
            InsufficientScope: it is not for `scope`.
        """
        kind, _, token = (self.header(b"authorization") or "").partition(" ")
        if kind.lower() != "bearer":
            raise Unauthenticated("Send an access token: `Authorization: Bearer TOKEN`.", CHALLENGE)
        try:
            self.identity = self.deps.tokens.identify(token.strip())
        except BadToken:
            detail = "The access token is not valid, or no longer; log in again."
            raise Unauthenticated(detail, _challenge("invalid_token")) from None
        if scope not in self.identity.scopes:
            raise InsufficientScope(f"This takes a token with the scope {scope}.", _challenge("insufficient_scope"))


class CommandSender:
    """Sends commands on behalf of whoever asks, and answers with what comes back."""

    __slots__ = ("_exchange",)

    def __init__(self, request: Request) -> None:
        self._exchange: RequestContext = request.scope["exchange"]

    @property
    def expected(self) -> int | None:
        """The version that `If-Match` (RFC 9110, 13.1.1) asks for; None without it, and for `*`."""
        value = self._exchange.header(b"if-match")
        if value is None or value == "*":
            return None
        tag = ENTITY_TAG.fullmatch(value)
        if tag is None:
            raise Malformed('If-Match takes one version, as it came in ETag: in quotes, like "3".')
        return int(tag[1]) if VERSION.fullmatch(tag[1]) else NO_VERSION

    async def __call__(self, command: Command[Any], *, at: str | None = None) -> Answer:
        """Send the command, and answer with what came of it. `at`: where that is from now on, with `{}` for its id."""
        sent = await self._send(command)
        return self._answer(sent, await self._position(sent), at)

    async def settled(self, command: Command[Any], read_model: str) -> Answer:
        """Send the command, and answer once no read can miss its effect on the read model.

        Raises:
            NotSettled: it was done, but the read model does not follow in time.
        """
        sent = await self._send(command)
        position = await self._position(sent)
        if await self._exchange.deps.positions.wait(read_model, position, SETTLE_WAIT):
            raise NotSettled
        return self._answer(sent, position, None)

    async def ask(self, command: Command[R]) -> R:
        """Send a command that only asks. It takes no key: what was true once may not be answered again."""
        return (await self._exchange.deps.send(command, CommandContext(None, self._exchange.request_id))).answer

    def _answer(self, sent: CommandResult[Any], position: int, at: str | None) -> Answer:
        headers = [(b"consistency-token", b"%d" % position)]
        if sent.replayed:
            headers.append((b"idempotency-replayed", b"true"))
        if at is not None:
            headers.append((b"location", at.format(sent.answer.id).encode()))
        if sent.answer is None:
            return Answer(b"", self._exchange.status, headers)
        return Answer(encode(sent.answer), self._exchange.status, [*headers, *_etag(sent.answer)])

    async def _send(self, command: Command[R]) -> CommandResult[R]:
        exchange = self._exchange
        key = exchange.header(b"idempotency-key")
        if key is not None and not KEY.fullmatch(key):
            raise Malformed("Idempotency-Key takes 1 to 255 visible ASCII characters.")
        actor = exchange.identity.actor if exchange.identity else None
        return await exchange.deps.send(command, CommandContext(actor, exchange.request_id, idempotency_key=key))

    async def _position(self, sent: CommandResult[Any]) -> int:
        # Where nothing was new, the answer is at most as new as the end of the log.
        return sent.position if sent.position is not None else await self._exchange.deps.head()


class QueryReader:
    """Reads on behalf of whoever asks, no older than they want, and says how old it is where it could not wait."""

    __slots__ = ("_exchange", "actor", "history", "now", "rows")

    def __init__(self, request: Request) -> None:
        exchange: RequestContext = request.scope["exchange"]
        assert exchange.identity is not None
        self.actor = exchange.identity.actor
        self.rows = exchange.deps.rows
        self.history = exchange.deps.history
        self.now = exchange.deps.clock()
        self._exchange = exchange

    async def reached(self, *read_models: str) -> None:
        """Wait, for a bounded time, until the read models have come as far as the caller's Consistency-Token."""
        token = self._exchange.header(b"consistency-token")
        if token is None:
            return
        if not POSITION.fullmatch(token):
            raise Malformed("Consistency-Token takes the value that came with the answer to a write.")
        position = int(token)
        wait = self._exchange.deps.positions.wait
        lags = await asyncio.gather(*[wait(name, position, self._patience()) for name in read_models])
        self._exchange.lag = max(lags)
        self.rows = self.rows.after(position)

    def found(self, view: V | None) -> V:
        """The thing, which is there.

        Raises:
            NotFound: it is not.
        """
        if not view:
            raise NotFound("There is no such thing, or it is not shared with you.")
        return view

    def one(self, view: object | None) -> Answer:
        """One thing, with its version as ETag; 304 (RFC 9110, 13.1.2) where the caller has it already.

        Raises:
            NotFound: there is none.
        """
        headers = _etag(self.found(view))
        if self._has(headers):
            return Answer(b"", 304, headers)
        return Answer(encode(view), 200, headers)

    def unversioned(self, view: object) -> Answer:
        """What has no version, or says more than its version tells."""
        return Answer(encode(view))

    def _patience(self) -> float:
        """Seconds to wait: `Prefer: wait=` (RFC 7240), within bounds."""
        wanted = WAIT.search(self._exchange.header(b"prefer") or "")
        return min(float(wanted[1]) if wanted else DEFAULT_WAIT, self._exchange.deps.read_wait_max)

    def _has(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        known = self._exchange.headers.get(b"if-none-match")
        if known is None:
            return False
        tags = [tag.strip().removeprefix(b"W/") for tag in known.split(b",")]
        return any(name == b"etag" and (value in tags or b"*" in tags) for name, value in headers)


def deps_of(request: Request) -> Deps:
    """The rest of the house, for routes that neither send nor read."""
    exchange: RequestContext = request.scope["exchange"]
    return exchange.deps


def _etag(view: object) -> list[tuple[bytes, bytes]]:
    version = getattr(view, "version", None)
    return [] if version is None else [(b"etag", b'"%d"' % version)]


def _challenge(error: str) -> dict[str, str]:
    """RFC 6750, 3."""
    return {"WWW-Authenticate": f'{CHALLENGE["WWW-Authenticate"]}, error="{error}"'}


Send = Annotated[CommandSender, Depends(CommandSender)]
Read = Annotated[QueryReader, Depends(QueryReader)]
