"""HTTP for auditors: any aggregate at any point, events by what they say, and what a request caused."""

from typing import Annotated
from uuid import UUID

from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from adapters.http.api.audited import AuditedRead, Question
from adapters.http.api.openapi import FRESH_UNLESS_KNOWN, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Moment, PageQuery, QueryParameters
from application.ports import EventFilter, Point
from application.travel.causes import CauseTree, caused_by
from application.travel.points import MAX_POINT_LENGTH, point_of
from application.travel.subjects import Subjects, concerned, in_difference, in_state
from application.travel.views import DifferenceView, EventView, StateView, difference_of, state_at
from domain.access import AUDIT
from projections.audit.logged_events import logged_events
from projections.page import Page

router = Router("/v1/audit", tag="audit")

TOPIC, TYPE = "^[a-z_]{1,40}$", "^[a-z_.]{1,100}$"
AggregateTopic = Annotated[str, Path(pattern=TOPIC, examples=["document"], description="The kind of aggregate.")]
WrittenPoint = Annotated[
    str,
    Field(
        max_length=MAX_POINT_LENGTH,
        examples=["7"],
        description="A version (`7`), a position (`@4711`) or a time with its zone (`2026-11-22T12:00:00Z`).",
    ),
]


class PointQuery(QueryParameters):
    """The point at which to show an aggregate."""

    at: Annotated[WrittenPoint | None, Field(description="The point; without it, the last event.")] = None

    @property
    def point(self) -> Point:
        """The point."""
        return Point() if self.at is None else point_of(self.at)


class DifferencePoints(QueryParameters):
    """Two points of an aggregate, in any order."""

    before: WrittenPoint
    after: WrittenPoint

    @property
    def points(self) -> tuple[Point, Point]:
        """The points."""
        return point_of(self.before), point_of(self.after)


class EventsQuery(PageQuery):
    """Filters and page of events: those that fit all filters."""

    aggregate_id: Annotated[UUID | None, Field(description="Only events of this stream.")] = None
    topic: Annotated[
        str | None, Field(pattern=TOPIC, examples=["document"], description="Only events of this kind of aggregate.")
    ] = None
    type: Annotated[
        str | None, Field(pattern=TYPE, examples=["document.saved"], description="Only events of this type.")
    ] = None
    actor: Annotated[UUID | None, Field(description="Only events that this user caused.")] = None
    request: Annotated[UUID | None, Field(description="Only what this request caused (`X-Request-Id`).")] = None
    since: Annotated[Moment | None, Field(description="From this time on, with its zone.")] = None
    until: Annotated[Moment | None, Field(description="Before this time, with its zone.")] = None

    @property
    def wanted(self) -> EventFilter:
        """The filters."""
        return EventFilter(self.aggregate_id, self.actor, self.topic, self.type, self.since, self.until, self.request)

    @property
    def question(self) -> Question:
        """What is recorded: also about whom it asks, who may not be in the answer."""
        about = Subjects([] if self.actor is None else [self.actor])
        return Question("audit_events", self.topic, self.aggregate_id, self.model_dump(), about, found_in=in_page)


def in_page(page: Page[EventView]) -> Subjects:
    """Return whom a page of events is about."""
    return concerned(page.items)


def in_tree(tree: CauseTree | None) -> Subjects:
    """Return whom the events of a request are about."""
    return concerned([] if tree is None else [each.event for each in tree.events])


@router.get(
    "/states/{topic}/{aggregate_id}",
    response_model=StateView,
    **operation(
        "The state.", access=AUDIT.action("read_history"), takes=[], fails=[404, 409, 422], limits=["user", "audit"]
    ),
)
async def audit_state(
    topic: AggregateTopic, aggregate_id: UUID, asked: Annotated[PointQuery, Query()], audited: AuditedRead
) -> Answer:
    """Show any aggregate at a version, as of a position or as of a time. Requires the auditor role.

    Personal fields are sealed, and `forgotten` where their key is destroyed: no data key is used. The last event up to
    the point is shown, too, with what proves it. The read is recorded before it is answered.
    """
    question = Question("audit_state", topic, aggregate_id, filters=asked.model_dump(), found_in=in_state)
    return await audited.one(question, state_at, audited.trail, topic, aggregate_id, asked.point)


@router.get(
    "/states/{topic}/{aggregate_id}/difference",
    response_model=DifferenceView,
    **operation(
        "What differs.", access=AUDIT.action("read_history"), takes=[], fails=[404, 409, 422], limits=["user", "audit"]
    ),
)
async def audit_difference(
    topic: AggregateTopic, aggregate_id: UUID, asked: Annotated[DifferencePoints, Query()], audited: AuditedRead
) -> Answer:
    """Compare any aggregate at two points. Requires the auditor role.

    Values that are sealed are not compared. The read is recorded before it is answered.
    """
    filters = asked.model_dump()
    question = Question("audit_difference", topic, aggregate_id, filters=filters, found_in=in_difference)
    return await audited.one(question, difference_of, audited.trail, topic, aggregate_id, *asked.points)


@router.get(
    "/events",
    response_model=Page[EventView],
    **operation(
        "A page of events.",
        access=AUDIT.action("read_history"),
        takes=FRESH_UNLESS_KNOWN,
        gives=["Link"],
        fails=[404, 409],
        limits=["user", "audit"],
    ),
)
async def audit_events(listed: Annotated[EventsQuery, Query()], audited: AuditedRead) -> Response:
    """List events of the log in its order, or stream them as JSON Lines. Requires the auditor role.

    Each event says its position, the SHA-256 of its stored bytes and the hash of its leaf in the audit tree, which has
    the index `position` - 1. The list ends with the log as it is at the first page; ask again with `since` for
    more. Each page is recorded before it is answered.
    """
    return await audited.logged(
        listed.question, logged_events, audited.trail, listed.wanted, cursor=listed.cursor, limit=listed.limit
    )


@router.get(
    "/requests/{request_id}",
    response_model=CauseTree,
    **operation(
        "The events.", access=AUDIT.action("read_history"), takes=[], fails=[404, 409], limits=["user", "audit"]
    ),
)
async def audit_request(request_id: UUID, audited: AuditedRead) -> Answer:
    """Show all that one request caused, by its `X-Request-Id`, as a tree. Requires the auditor role.

    Each event stands before those that it caused, as commands of policies and jobs follow from events. The read is
    recorded before it is answered.
    """
    question = Question("audit_request", filters={"request": request_id}, found_in=in_tree)
    return await audited.one(question, caused_by, audited.trail, request_id)
