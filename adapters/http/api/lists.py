"""Lists over HTTP: a page with links and a tag, only some fields of each item, or all items as JSON Lines."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Annotated, Any, ClassVar, Protocol
from urllib.parse import parse_qsl, urlencode

import msgspec
from fastapi import Depends, Request
from starlette.responses import Response, StreamingResponse

from adapters.http.api.conditions import precondition_of, refuse_conditions
from adapters.http.api.queries import QueryReader
from adapters.http.api.responses import Answer, HttpHeader, encode
from application.commands import ReadResult
from application.ports import UnwantedMatch
from application.preconditions import require_tag

JSON_LINES = "application/jsonl"


class AnyPage(Protocol):
    """Some items of a list, and the cursor of the next page, as `projections.page.Page` has them; maybe with more."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def items(self) -> Sequence[Any]: ...

    @property
    def next(self) -> str | None: ...


LogQuery = Callable[..., Awaitable[AnyPage | None]]
"""A query of a page, which takes a `cursor`; None: the list does not exist for the caller."""

ListQuery = Callable[..., Awaitable[AnyPage | ReadResult[Any] | None]]
"""A query of a page that may cause a command."""

Pages = Callable[[str | None], Awaitable[AnyPage]]
"""Reads the page after a cursor; None: the first one."""


@dataclass(frozen=True, slots=True)
class TaggedBody:
    """An encoded page. Its tag is a digest: pages are equal if their tags are."""

    body: bytes

    @property
    def etag(self) -> str:
        """The entity tag."""
        return str(int.from_bytes(blake2b(self.body, digest_size=8).digest(), "big"))


class ListReader(QueryReader):
    """Runs the caller's queries of lists and turns their pages into responses."""

    __slots__ = ("_path", "_query")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._path = request.scope["path"]
        self._query = request.scope["query_string"].decode("latin-1")

    async def listed(
        self, query: ListQuery, *args: Any, cursor: str | None, fields: Collection[str] | None = None, **options: Any
    ) -> Response:
        """Answer with the page of a query after the cursor, or with all items from there as JSON Lines if asked for.

        `fields`: what the response says of each item; None: all of it.

        Raises:
            Missing: the list does not exist for the caller.
            StaleVersion: the page is none that the caller named in `If-Match`.
        """
        as_lines = self._as_lines()
        if as_lines:
            options.pop("counted", None)  # lines do not show the number of all items

        async def pages(after: str | None) -> AnyPage:
            found = await self.query(query, *args, cursor=after, **options)
            page: AnyPage | None = await self.opened(found) if isinstance(found, ReadResult) else found
            await self._before(page)
            return self.found(page)

        return await self._answer(pages, cursor, fields, as_lines=as_lines)

    async def logged(self, query: LogQuery, *args: Any, cursor: str | None, **options: Any) -> Response:
        """Answer as `listed` does, with the page of a query of the event log: it needs no read model, and no wait.

        Raises:
            Missing, StaleVersion: see `listed`.
        """

        async def pages(after: str | None) -> AnyPage:
            page = await query(self.history, *args, cursor=after, **options)
            await self._before(page)
            return self.found(page)

        return await self._answer(pages, cursor, None, as_lines=self._as_lines())

    async def _before(self, page: AnyPage | None) -> None:
        """Do what has to be done before a page is answered: here nothing."""

    def _as_lines(self) -> bool:
        return self._context.accepts(JSON_LINES)

    async def _answer(
        self, pages: Pages, cursor: str | None, fields: Collection[str] | None, *, as_lines: bool
    ) -> Response:
        if as_lines:
            refuse_conditions(self._context, [b"if-match"])  # lines have no tag
        first = await pages(cursor)
        if as_lines:
            lines = self._lines(first, pages, fields)
            return StreamingResponse(lines, media_type=JSON_LINES, headers=_texts(self._lag_header()))
        items = [_chosen(item, fields) for item in first.items]
        tagged = TaggedBody(encode(first if fields is None else replace(first, items=items)))
        headers = [(b"etag", f'"{tagged.etag}"'.encode()), *self._link(first.next), *self._lag_header()]
        precondition = precondition_of(self._context, of_read=True)
        if precondition is not None:
            try:
                require_tag(precondition, tagged)
            except UnwantedMatch:
                return Answer(b"", 304, headers)
        return Answer(tagged.body, 200, headers)

    async def _lines(self, page: AnyPage, pages: Pages, fields: Collection[str] | None) -> AsyncIterator[bytes]:
        """Yield a line for each item, page after page: one page is in memory, and each is read with present access."""
        while True:
            yield b"".join(encode(_chosen(item, fields)) + b"\n" for item in page.items)
            if page.next is None:
                return
            await self._context.require_session()
            page = await pages(page.next)

    def _link(self, cursor: str | None) -> list[HttpHeader]:
        """Return the header with the next page (RFC 8288); none after the last one."""
        if cursor is None:
            return []
        query = [(name, value) for name, value in parse_qsl(self._query) if name != "cursor"]
        target = f"{self._path}?{urlencode([*query, ('cursor', cursor)])}"
        return [(b"link", f'<{target}>; rel="next"'.encode())]


def _chosen(item: object, fields: Collection[str] | None) -> object:
    if fields is None:
        return item
    return {name: value for name, value in msgspec.to_builtins(item).items() if name in fields}


def _texts(headers: list[HttpHeader]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}


List = Annotated[ListReader, Depends(ListReader)]
