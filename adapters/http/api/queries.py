"""Queries over HTTP: reads that wait for the caller's Consistency-Token, or report by how much they are older."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Annotated, Concatenate, ParamSpec, TypeVar

import structlog
from fastapi import Depends, Request

from adapters.fair_queue import TooManyWait
from adapters.http.api.conditions import precondition_of
from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.html import HtmlPage
from adapters.http.api.markdown import MarkdownRenderer
from adapters.http.api.problems import Malformed, Missing
from adapters.http.api.responses import Answer, HttpHeader, Representation, encode, etag_of
from application.commands import ReadResult
from application.ports import (
    EventStore,
    JobQueue,
    Models,
    PartialTexts,
    ReadStore,
    RecentDocuments,
    SealedLog,
    SecurityLog,
    Unavailable,
    UnwantedMatch,
)
from application.preconditions import require_tag, tag_of
from domain.kernel import NotFound
from projections.kernel import models_read_by

V = TypeVar("V")
P = ParamSpec("P")

POSITION = re.compile(r"[0-9]{1,18}")
WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,4})\"?\s*(?=$|[,;])", re.IGNORECASE)
DEFAULT_WAIT_SECONDS = 1.0
MAX_WAITING = 32
"""Long work in threads that runs or waits, at most."""
CAUSED_SECONDS = 1.0
"""The longest that a read waits for the command that it causes."""

log = structlog.get_logger(__name__)


class QueryReader:
    """Runs the caller's queries and turns their results into responses.

    Raises:
        Malformed: the Consistency-Token is not a position.
    """

    __slots__ = ("_context", "_deadline", "_lag", "_position", "actor", "history", "now", "session_id")

    def __init__(self, request: Request) -> None:
        context: RequestContext = context_of(request)
        assert context.identity is not None
        self.actor, self.session_id = context.identity.actor, context.identity.session_id
        self.history = context.deps.history
        self.now = context.deps.clock()
        self._context = context
        self._position = _position_in(context.header(b"consistency-token"))
        self._deadline: float | None = None
        self._lag = 0

    @property
    def partial_texts(self) -> PartialTexts:
        """Return the texts that are being written."""
        return self._context.deps.partial_texts

    @property
    def queue(self) -> JobQueue:
        """Return the queue, to ask for places in it."""
        return self._context.deps.queue

    def names(self, expand: str | None) -> EventStore | None:
        """Return where to read names, if the caller wants them. `expand`: what the answer is to have besides."""
        return self.history if expand else None

    def preferred_wait(self, most: float) -> float:
        """Return the seconds that the caller wants to wait for what is read (`Prefer: wait=`): 0 to `most`."""
        wanted = WAIT.search(self._context.header(b"prefer") or "")
        return min(float(wanted[1]), most) if wanted else 0.0

    @property
    def security_log(self) -> SecurityLog:
        """Return the log of which the caller may read their own entries."""
        return self._context.deps.security_log

    @property
    def recent_documents(self) -> RecentDocuments:
        """Return where to note which documents the caller views."""
        return self._context.deps.recent_documents

    @property
    def models(self) -> Models:
        """Return the language models that can be asked."""
        return self._context.deps.models

    async def query(
        self, query: Callable[Concatenate[ReadStore, P], Awaitable[V]], *args: P.args, **kwargs: P.kwargs
    ) -> V:
        """Run a query once the read models that it declares (`reads`) have reached the caller's Consistency-Token.

        Waits for a bounded time; after that the response reports its lag.
        """
        rows, position = self._context.deps.rows, self._position
        if position is not None:
            await self._reach(models_read_by(query), position)
            rows = rows.after(position)
        return await query(rows, *args, **kwargs)

    async def long_query(
        self, query: Callable[Concatenate[ReadStore, P], Awaitable[V]], *args: P.args, **kwargs: P.kwargs
    ) -> V:
        """Run a query that computes for long, in turn.

        Raises:
            Unavailable: too many wait for a turn.
        """
        async with self.turn():
            return await self.query(query, *args, **kwargs)

    async def opened(self, result: ReadResult[V] | None) -> V | None:
        """Carry out the command that a read causes, and return the view; None: there is nothing to read.

        NotFound from the command means that the read models were behind, and the view is no longer the caller's to
        read. Any other failure is logged: the next read causes the command again.
        """
        if result is None or result.causes is None:
            return None if result is None else result.view
        try:
            async with asyncio.timeout(CAUSED_SECONDS):
                await self._context.deps.send(result.causes, self._context.call())
        except NotFound:
            return None
        except Exception as error:
            log.warning("command of a read failed", command=type(result.causes).__name__, error=type(error).__name__)
        return result.view

    def found(self, view: V | None) -> V:
        """Return the view.

        Raises:
            Missing: it is None.
        """
        if view is None:
            if self._lag:
                detail = f"This read is {self._lag} events behind your Consistency-Token; try again in a moment."
                raise Missing(detail, {"Consistency-Lag": str(self._lag)})
            raise Missing("This does not exist, or it is not shared with you.")
        return view

    def one(self, view: object | None) -> Answer:
        """Answer with a view and its tag as ETag; 304 (RFC 9110, 13.1.2) if the caller has it already.

        Raises:
            Missing: the view is None.
            StaleVersion: it is none that the caller named in `If-Match`.
        """
        headers = [*etag_of(self.found(view)), *self._lag_header()]
        return Answer(b"", 304, headers) if _is_known(self._context, view) else Answer(encode(view), 200, headers)

    async def either(
        self, found: V | None, json: Callable[[V], object], texts: Mapping[str, Callable[[V], str]]
    ) -> Answer:
        """Answer as JSON, or as a text of one of these media types if the caller accepts it by name.

        The answer is made in a thread, in turn: other requests go on meanwhile.

        Raises:
            Missing: there is nothing to answer with.
            Unavailable: too many wait for a turn.
        """
        view, headers = self.found(found), [(b"vary", b"accept"), *self._lag_header()]
        media = next((media for media in texts if self._context.accepts(media)), None)
        async with self.turn():
            made = await asyncio.to_thread(json if media is None else texts[media], view)
        if media is None:
            return Answer(encode(made), 200, headers)
        return Answer(str(made).encode(), 200, headers, f"{media}; charset=utf-8".encode())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn at long work in a thread, and take it.

        Raises:
            Unavailable: too many wait.
        """
        try:
            async with self._context.deps.computations.turn(MAX_WAITING):
                yield
        except TooManyWait:
            raise Unavailable("The comparison of versions") from None

    def unversioned(self, view: object) -> Answer:
        """Answer with a view without an ETag: it has no version, or contains more than its version covers."""
        return Answer(encode(view), 200, self._lag_header())

    async def _reach(self, read_models: Sequence[str], position: int) -> None:
        wait, seconds = self._context.deps.positions.wait, self._seconds_left()
        lags = await asyncio.gather(*[wait(name, position, seconds) for name in read_models])
        self._lag = max(self._lag, *lags)

    def _seconds_left(self) -> float:
        """Return the rest of the wait that all queries of the request share."""
        if self._deadline is None:
            seconds = self._wait_seconds()
            self._deadline = monotonic() + seconds
            return seconds
        return max(0.0, self._deadline - monotonic())

    def _wait_seconds(self) -> float:
        """Return the seconds to wait: `Prefer: wait=` (RFC 7240), within bounds."""
        wanted = WAIT.search(self._context.header(b"prefer") or "")
        return min(float(wanted[1]) if wanted else DEFAULT_WAIT_SECONDS, self._context.deps.read_wait_max)

    def _lag_header(self) -> list[HttpHeader]:
        return [(b"consistency-lag", b"%d" % self._lag)] if self._lag else []


class PublicReader:
    """Reads for callers without a token, and turns results into responses."""

    __slots__ = ("_context", "rows")

    def __init__(self, request: Request) -> None:
        self._context: RequestContext = context_of(request)
        self.rows = self._context.deps.rows

    @property
    def log(self) -> SealedLog:
        """Return the audit tree."""
        return self._context.deps.log

    @property
    def markdown(self) -> MarkdownRenderer:
        """Return what renders contents for pages."""
        return self._context.deps.markdown

    @property
    def wants_html(self) -> bool:
        """Whether the caller names HTML among what it accepts, as browsers do."""
        return self._context.accepts("text/html")

    def found(self, view: V | None) -> V:
        """Return the view.

        Raises:
            Missing: it is None.
        """
        if view is None:
            raise Missing("This does not exist, or it is not public any more.")
        return view

    def one(self, view: object, headers: Sequence[HttpHeader]) -> Answer:
        """Answer with a view and its tag; 304 if the caller has it already. Raises `StaleVersion`."""
        tagged = [*etag_of(view), *headers]
        return Answer(b"", 304, tagged) if _is_known(self._context, view) else Answer(encode(view), 200, tagged)

    def plain(self, found: Representation, headers: Sequence[HttpHeader]) -> Answer:
        """Answer with a representation as it is, and its tag; 304 if the caller has it. Raises `StaleVersion`."""
        tagged = [*etag_of(found), *headers]
        if _is_known(self._context, found):
            return Answer(b"", 304, tagged)
        return Answer(found.body, 200, tagged, media=found.media)

    def either(self, view: object, page: Callable[[], HtmlPage], headers: Sequence[HttpHeader]) -> Answer:
        """Answer with a view that has no tag, or with its page if the caller names HTML among what it accepts."""
        varying: list[HttpHeader] = [*headers, (b"vary", b"Accept")]
        if not self.wants_html:
            return Answer(encode(view), 200, varying)
        shown = page()
        policy = (b"content-security-policy", shown.policy)
        return Answer(shown.body, 200, [*varying, policy], media=b"text/html; charset=utf-8")

    async def page(
        self, view: object, policy: bytes, make: Callable[[], Awaitable[HtmlPage]], headers: Sequence[HttpHeader]
    ) -> Answer:
        """Answer with the HTML page of a view, with a tag of its own; 304 if the caller has it. `policy`: its CSP.

        Raises:
            StaleVersion: it is none that the caller named in `If-Match`.
        """
        tag = _PageTag(f"{tag_of(view)}-2")
        tagged = [*etag_of(tag), *headers, (b"content-security-policy", policy)]
        if _is_known(self._context, tag):
            return Answer(b"", 304, tagged)
        return Answer((await make()).body, 200, tagged, media=b"text/html; charset=utf-8")


@dataclass(frozen=True, slots=True)
class _PageTag:
    """The tag of the HTML page of a view: representations have different tags (RFC 9110, 8.8.3).

    It ends with the number of the page's form: another form of the same state is another representation, too.
    """

    etag: str


def _position_in(token: str | None) -> int | None:
    if token is None:
        return None
    if not POSITION.fullmatch(token):
        raise Malformed("Consistency-Token takes the value from the response to a write.")
    return int(token)


def _is_known(context: RequestContext, view: object) -> bool:
    """Return whether the caller has the view already (RFC 9110, 13.1.2).

    Raises:
        StaleVersion: it is none that the caller named in `If-Match`.
    """
    precondition = precondition_of(context, of_read=True)
    if precondition is None:
        return False
    try:
        require_tag(precondition, view)
    except UnwantedMatch:
        return True
    return False


Read = Annotated[QueryReader, Depends(QueryReader)]
PublicRead = Annotated[PublicReader, Depends(PublicReader)]
