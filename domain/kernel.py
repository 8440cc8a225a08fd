"""Base classes of the domain: aggregates, events, refusals, claims, and the marks of personal data.

Aggregates decide, events evolve: a guarded method checks the rules and triggers an event; the event's `apply` changes
the state and never refuses. See `domain/decisions/0001-apply-never-refuses.md`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar
from uuid import UUID

from eventsourcing.domain import AggregateEvent, BaseAggregate

ERASED = "[erased]"

T = TypeVar("T")

_NEW, _SET = object.__new__, object.__setattr__


class Refusal(Exception):
    """A rule forbids the command. `code`: stable, the class name in snake case; `detail`: advice, no personal data."""

    code: ClassVar[str] = "refusal"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Invalid(Refusal):
    """The request is invalid in any state."""


class Forbidden(Refusal):
    """The actor may not do this."""


class NotFound(Refusal):
    """The thing does not exist, or the actor may not know that it exists."""


class Conflict(Refusal):
    """The current state does not allow the command."""


@dataclass(frozen=True, slots=True)
class PersonalField:
    """Marks an event's field as personal; `subject` names the field with the id of the subject whose key seals it.

    `reusable`: the subject may be used again after its erasure, with another key. For others nothing more is sealed.
    """

    subject: str
    reusable: bool = False


Personal = Annotated[T, PersonalField("originator_id")]
"""A field about the stream itself (a user, a document, a team): sealed with the key of that stream."""

AboutAddress = Annotated[T, PersonalField("address_id", reusable=True)]
"""A field about an email address, of a user or not: sealed with the key of the event's `address_id`."""

AboutUser = Annotated[T, PersonalField("user_id")]
"""A field about a user in a stream that is not theirs: sealed with the key of the event's `user_id`."""


PartyKind = Literal["user", "team"]


@dataclass(frozen=True, slots=True)
class Party:
    """A user or a team, as an owner or a payer. Events and rows keep it in two fields, `owner_kind` and `owner_id`."""

    kind: PartyKind
    id: UUID


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that only one stream may hold at a time (an email address, a team's slug)."""

    kind: str
    value: str


class Root(BaseAggregate[UUID]):
    """Base of aggregates. For snapshots, attributes are primitives, UUIDs, datetimes, or lists, sets, dicts of them."""

    class Event(AggregateEvent):
        """Base of events. Fields are primitives, UUIDs, datetimes, and lists and dicts of them.

        A field that may be None has the default None: it is not stored then.
        To change fields, raise `class_version` and add `upcast_vN_vM(state)`, which changes the stored dict in place.
        """

        root: ClassVar[type["Root"]]
        class_version: ClassVar[int] = 1
        revokes: ClassVar[tuple[str, ...]] = ()
        """Names of the read models through which this event takes access away from a person.

        The command bus answers only when these have processed the event.
        """
        erases: ClassVar[bool] = False
        """Whether storing the event destroys the data key of its stream, with its claims, snapshots and answers.

        Such an event has no fields of its own. Its `apply` sets `erased` and needs no state, since it also erases a
        stream that cannot be read (`erase_unread`).
        """
        ends_sessions: ClassVar[bool] = False
        """Whether the event ends the sessions of its user: all, or all but the one that it names (`kept_session_id`).

        The command bus answers only when no process takes a token of these sessions any more.
        """

        def claims(self) -> Iterable[Claim]:
            """Return the claims that the event takes for its stream."""
            return ()

        def releases(self) -> Iterable[Claim]:
            """Return the claims that the event gives up."""
            return ()

    snapshot_version: ClassVar[int] = 1
    """Version of the attributes. Raise it when they change: older snapshots are then ignored."""

    # Not annotated: the library makes each annotated attribute a dataclass field.
    erased = False
    """Whether the data key of the stream was destroyed: its personal fields read as erased, for good."""

    tenant: Party
    """The payer whom the stream was created for. Stored with each event, and never changed."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for event_class in events_of(cls):
            event_class.root = cls

    @classmethod
    def start_stream(
        cls, event_class: type["FirstEvent"], *, id: UUID, tenant: Party, now: datetime, **payload: Any
    ) -> Self:
        """Return a new aggregate with its first event pending."""
        event = event_class(originator_id=id, originator_version=cls.INITIAL_VERSION, timestamp=now, **payload)
        root: Self = cls.shell(event)
        root.tenant = tenant
        event.apply(root)
        root._pending_events.append(event)
        return root

    @classmethod
    def shell(cls, event: AggregateEvent) -> Self:
        """Return an aggregate with an identity and no state, for its first event to fill."""
        root = cls.__new__(cls)
        root.__base_init__(event.originator_id, event.originator_version, event.timestamp)
        return root

    def trigger_event(self, event_class: type[Event], *, now: datetime, **payload: Any) -> None:  # type: ignore[override]
        """Make the event, apply it to the state, and keep it as pending until it is stored.

        Faster than the library's method of the same name, which checks topics at every call.

        Raises:
            TypeError: `payload` does not have exactly the event's own fields.
        """
        values = {"originator_id": self._id, "originator_version": self._version + 1, "timestamp": now, **payload}
        if values.keys() != _field_names(event_class):
            raise TypeError(f"{event_class.__qualname__} takes its fields, all of them")
        # Its own `__init__` sets one field after the other, which takes four times as long.
        event = _NEW(event_class)
        _SET(event, "__dict__", values)
        event.apply(self)
        self._version += 1
        self._modified_on = now
        self._pending_events.append(event)

    def erase_unread(self, *, now: datetime) -> None:
        """Erase a stream that cannot be read: this is its shell. A second erasure causes no event."""
        if not self.erased:
            [event_class] = [event_class for event_class in events_of(type(self)) if event_class.erases]
            self.trigger_event(event_class, now=now)


def events_of(kind: type[Root]) -> Iterator[type[Root.Event]]:
    """Yield the event classes that an aggregate class defines."""
    for value in vars(kind).values():
        if isinstance(value, type) and issubclass(value, Root.Event):
            yield value


class FirstEvent(Root.Event):
    """Base of the event that starts a stream: its `apply` sets all attributes of the aggregate."""

    def assign(self, aggregate: Root) -> None:
        """Set the attributes of the aggregate that have the names of this event's fields."""
        for name in _payload(type(self)):
            setattr(aggregate, name, getattr(self, name))

    def mutate(self, aggregate: Any) -> Any:
        """Return the first state. The library's repositories and tools call this."""
        root = self.root.shell(self)
        self.apply(root)
        return root


@cache
def _field_names(event_class: type[Root.Event]) -> frozenset[str]:
    return frozenset(field.name for field in fields(event_class))


@cache
def _payload(event_class: type[Root.Event]) -> tuple[str, ...]:
    """Return the names of the event's own fields."""
    return tuple(field.name for field in fields(event_class) if field.name not in _ENVELOPE)


_ENVELOPE = frozenset(field.name for field in fields(AggregateEvent))
