"""Commands over HTTP: conditions and keys come from request headers, position and version go into response headers."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Request

from adapters.http.api.conditions import precondition_of
from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.limits import LimitName
from adapters.http.api.problems import Malformed
from adapters.http.api.responses import Answer, encode, etag_of
from application.charges import Charges
from application.commands import Command, CommandResult
from application.ports import EventStore, JobQueue

R = TypeVar("R")

KEY = re.compile(r"[!-~]{1,255}")
MINIMAL = re.compile(r"(?:^|[,;])\s*return\s*=\s*\"?minimal\"?\s*(?=$|[,;])", re.IGNORECASE)
"""A preference (RFC 7240, 4.2): the response needs no body."""


@dataclass(frozen=True, slots=True)
class Completion(Generic[R]):
    """What adds to an answer that is not of its state. `repeated`: to the answer of then, for a repeated request."""

    first: Callable[[R], Awaitable[R]]
    repeated: Callable[[R], Awaitable[R]]


class CommandSender:
    """Sends the caller's commands and turns their results into responses."""

    __slots__ = ("_charges", "_context")

    def __init__(self, request: Request) -> None:
        self._context: RequestContext = context_of(request)
        self._charges = Charges()

    @property
    def queue(self) -> JobQueue:
        """Return the queue, to ask for places in it."""
        return self._context.deps.queue

    @property
    def history(self) -> EventStore:
        """Return the event log."""
        return self._context.deps.history

    async def __call__(
        self,
        command: Command[R],
        *,
        at: str | None = None,
        complete: Completion[R] | None = None,
    ) -> Answer:
        """Send a command and answer with its result. `at`: the path of the result, with `{}` for its id.

        `complete`: adds to the result what is not of its state.
        """
        result: CommandResult[Any] = await self._send(command)
        if complete is not None:
            add = complete.repeated if result.replayed else complete.first
            result = replace(result, answer=await add(result.answer))
        headers = [(b"consistency-token", b"%d" % await self._position(result))]
        if result.replayed:
            headers.append((b"idempotency-replayed", b"true"))
            await self._charges.give_back()
        if at is not None:
            headers.append((b"location", at.format(result.answer.id).encode()))
        if result.answer is None:
            return Answer(b"", self._context.status, headers)
        tag = etag_of(result.answer)
        status = self._context.status
        # Without a tag the answer is more than the state that the caller has asked for.
        if tag and MINIMAL.search(self._context.header(b"prefer") or ""):
            applied = (b"preference-applied", b"return=minimal")
            return Answer(b"", 204 if status == 200 else status, [*headers, applied, *tag], media=b"")
        return Answer(encode(result.answer), status, [*headers, *tag])

    async def accept(self, command: Command[None], answer: object) -> Answer:
        """Send a command whose work is done later. Nothing in the response depends on what will come of it."""
        await self._send(command)
        return Answer(encode(answer), self._context.status)

    async def charge(self, limit: LimitName, cost: int) -> None:
        """Charge the request to one more limit: what it costs stands in its body, and may be nothing.

        A request that is only repeated gets it back.

        Raises:
            RateLimited: the caller has too little left.
        """
        if cost:
            await self._context.charge([limit], cost)
            self._charges.add(partial(self._context.give_back, limit, cost))

    async def ask(self, command: Command[R]) -> R:
        """Send a command that changes nothing and return its answer. It takes no key: the answer must not be stored."""
        return (await self._context.deps.send(command, self._context.call())).answer

    async def _send(self, command: Command[R]) -> CommandResult[R]:
        context = self._context
        key = context.header(b"idempotency-key")
        if key is not None and not KEY.fullmatch(key):
            raise Malformed("Idempotency-Key takes 1 to 255 visible ASCII characters.")
        return await context.deps.send(command, context.call(key, precondition_of(context)))

    async def _position(self, result: CommandResult[Any]) -> int:
        # A command without events: its answer is not newer than the end of the log.
        return result.position if result.position is not None else await self._context.deps.head()


Send = Annotated[CommandSender, Depends(CommandSender)]
