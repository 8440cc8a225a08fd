"""What every aggregate shares: how it starts, how it changes, how it refuses, and what it may not leak.

Aggregates decide, events evolve: a guarded method checks the rules and triggers an event; the event's `apply` changes
the state and never refuses, so a rule tightened later never makes old history unloadable.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self, TypeVar
from uuid import UUID

from eventsourcing.domain import AggregateEvent, BaseAggregate

ERASED = "[erased]"

T = TypeVar("T")


class Refusal(Exception):
    """A rule said no. `code`: the class name in snake case, stable; `detail`: what to do, without personal data."""

    code: ClassVar[str] = "refusal"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" not in vars(cls):
            cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Invalid(Refusal):
    """The request makes no sense, whatever the state."""


class Forbidden(Refusal):
    """The actor may not do this."""


class NotFound(Refusal):
    """There is no such thing, or the actor may not know that there is."""


class Conflict(Refusal):
    """The state does not allow this now."""


@dataclass(frozen=True, slots=True)
class PersonalField:
    """Marks an event's field as personal; `subject` names the field that holds the id of the subject it is about."""

    subject: str


Personal = Annotated[T, PersonalField("originator_id")]
"""A field about the stream itself (a user, a document, a team): sealed under that stream's key."""

AboutAddress = Annotated[T, PersonalField("address_id")]
"""A field about an email address that may be nobody's yet: sealed under the key of the event's `address_id`."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A value that one stream alone may hold (an email address, a team's slug)."""

    kind: str
    value: str


class Root(BaseAggregate[UUID]):
    """An aggregate. Its state is primitives, UUIDs, datetimes, and lists, sets and dicts of them (for snapshots)."""

    class Event(AggregateEvent):
        """A fact. Fields are primitives, UUIDs, datetimes, and lists and dicts of them.

        A changed shape raises `class_version` and adds `upcast_vN_vM(state)`, which changes the stored dict in place.
        """

        root: ClassVar[type["Root"]]
        class_version: ClassVar[int] = 1
        revokes: ClassVar[tuple[str, ...]] = ()
        """The names of the read models through which this event takes access away from somebody.

        The command bus answers only when these have processed the event.
        """

        def claims(self) -> Iterable[Claim]:
            """The claims this event takes for its stream."""
            return ()

        def releases(self) -> Iterable[Claim]:
            """The claims this event gives up."""
            return ()

    snapshot_version: ClassVar[int] = 1
    """Raise it when the state's shape changes: older snapshots are then ignored."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for value in vars(cls).values():
            if isinstance(value, type) and issubclass(value, Root.Event):
                value.root = cls

    @classmethod
    def begin(cls, event_class: type["FirstEvent"], *, id: UUID, now: datetime, **fields: Any) -> Self:
        """A new aggregate with its first event pending."""
        event = event_class(originator_id=id, originator_version=cls.INITIAL_VERSION, timestamp=now, **fields)
        root: Self = cls.shell(event)
        event.apply(root)
        root._pending_events.append(event)
        return root

    @classmethod
    def shell(cls, event: AggregateEvent) -> Self:
        """An aggregate with an identity and no state, for its first event to fill."""
        root = cls.__new__(cls)
        root.__base_init__(event.originator_id, event.originator_version, event.timestamp)
        return root

    def trigger_event(self, event_class: type[Any], *, now: datetime, **fields: Any) -> None:  # type: ignore[override]
        """Make the event, let it evolve the state, and keep it until the store has it.

        Leaner than the library's method of the same name, which checks topics anew at every call.
        """
        event = event_class(originator_id=self._id, originator_version=self._version + 1, timestamp=now, **fields)
        event.apply(self)
        self._version += 1
        self._modified_on = now
        self._pending_events.append(event)


class FirstEvent(Root.Event):
    """The fact that starts a stream: its `apply` gives the aggregate all its attributes."""

    def mutate(self, aggregate: Any) -> Any:
        """The library's way to the first state, so that its repositories and tools load our streams too."""
        root = self.root.shell(self)
        self.apply(root)
        return root
