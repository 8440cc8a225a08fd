"""Reads for auditors: each answer is recorded in the log before it is sent; where that fails, none is sent.

`AuditedRead` is the only way by which a route with the scope of auditors reads anything; a test looks at all of them.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Concatenate, ParamSpec, TypeVar
from uuid import UUID

from fastapi import Depends, Request
from starlette.responses import Response

from adapters.http.api.context import RequestContext, context_of
from adapters.http.api.lists import AnyPage, ListQuery, ListReader, LogQuery
from adapters.http.api.responses import Answer
from application.audit_reads import RecordAuditRead
from application.ports import AuditTrail, EventStore
from application.travel.subjects import Subjects

V = TypeVar("V")
P = ParamSpec("P")

PAGING = ("cursor", "limit")
"""Parameters of queries that say nothing about what is asked for."""


def no_more(_: Any) -> Subjects:
    """Return that an answer shows data of none but those that the question names."""
    return Subjects()


@dataclass(frozen=True, slots=True)
class Question:
    """What an auditor asks for: the operation, the aggregate, and filters.

    A filter is an id, a type, a time or a number, and never a word of a person: the log keeps it for good. `subjects`:
    whose data the answer shows, as far as that is known before; `found_in`: those that the answer itself names.
    """

    operation: str
    topic: str | None = None
    aggregate_id: UUID | None = None
    filters: Mapping[str, object] = field(default_factory=dict)
    subjects: Subjects = field(default_factory=Subjects)
    found_in: Callable[[Any], Subjects] = no_more


class AuditedReader:
    """Runs the queries of an auditor, and records each before its answer is sent.

    Raises:
        NotAnAuditor: the caller is none any more.
        Unavailable, OutcomeUnknown: the read cannot be recorded now.
    """

    __slots__ = ("_lists",)

    def __init__(self, request: Request) -> None:
        self._lists = _RecordingLists(request)

    @property
    def trail(self) -> AuditTrail:
        """Return the log, for queries of it."""
        return self._lists.context.deps.trail

    async def listed(
        self, asked: Question, query: ListQuery, *args: Any, cursor: str | None, **options: Any
    ) -> Response:
        """Answer with a page of a query of read models, or with JSON Lines, of which each page is recorded.

        The query gets the event log after its rows.

        Raises:
            Missing, StaleVersion: see `ListReader.listed`.
        """
        self._lists.asked = asked
        return await self._lists.listed(query, self._lists.history, *args, cursor=cursor, **options)

    async def logged(
        self, asked: Question, query: LogQuery, *args: Any, cursor: str | None, **options: Any
    ) -> Response:
        """Answer as `listed` does, with a page of a query of the event log alone.

        Raises:
            Missing, StaleVersion: see `ListReader.listed`.
        """
        self._lists.asked = asked
        return await self._lists.logged(query, *args, cursor=cursor, **options)

    async def one(
        self,
        asked: Question,
        query: Callable[Concatenate[EventStore, P], Awaitable[V | None]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Answer:
        """Answer with the view that a query of the event log returns.

        Raises:
            Missing: there is none.
        """
        view = await query(self._lists.history, *args, **kwargs)
        await _record(self._lists.context, asked, view)
        return self._lists.unversioned(self._lists.found(view))


class _RecordingLists(ListReader):
    """Lists of which each page is recorded before it is answered."""

    __slots__ = ("asked", "context")

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self.asked: Question | None = None
        self.context: RequestContext = context_of(request)

    async def _before(self, page: AnyPage | None) -> None:
        assert self.asked is not None
        await _record(self.context, self.asked, page)


async def _record(context: RequestContext, asked: Question, answer: object) -> None:
    """Record a read, also one that finds nothing."""
    found = asked.found_in(answer)
    filters = {name: str(value) for name, value in asked.filters.items() if name not in PAGING and value is not None}
    command = RecordAuditRead(
        operation=asked.operation,
        topic=asked.topic,
        aggregate_id=asked.aggregate_id,
        filters=filters,
        user_ids=[*asked.subjects.user_ids, *found.user_ids],
        team_ids=[*asked.subjects.team_ids, *found.team_ids],
    )
    await context.deps.send(command, context.call())


AuditedRead = Annotated[AuditedReader, Depends(AuditedReader)]
