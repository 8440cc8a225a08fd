"""What is published: its base classes, and the words that map what is private to it.

Domain events are private and may change their shape with the code. What is published is a contract: classes of its own,
and a mapping, written out, from each domain event. Nothing personal is in them, nor what a person could be found by:
no names, texts, addresses, nor digests of addresses. What is not mapped is not published.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from domain.kernel import ERASED, Root

NAMESPACE = "palimpsest"

Count = Annotated[int, Meta(ge=0)]
Length = Annotated[int, Meta(ge=0)] | None


class IntegrationType(msgspec.Struct, frozen=True, kw_only=True):
    """What every published event and state has: a name and a version of its own, which never change.

    A new field has a default, which stands in the schema as optional. A field is never removed, renamed or retyped:
    that takes another class, with the next `VERSION`, beside this one.

    `FOR_MANAGERS`: it tells of others' shares or invitations. To users, that is over HTTP, only who manages these is
    told of it: the owner of the document, the admins of the team.
    """

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1
    FOR_MANAGERS: ClassVar[bool] = False

    @classmethod
    def type(cls) -> str:
        """Its CloudEvents type."""
        return f"{NAMESPACE}.{cls.NAME}.v{cls.VERSION}"

    @classmethod
    def aggregate(cls) -> str:
        """What it is about: the first word of its name, and the topic it is in."""
        return cls.NAME.partition(".")[0]


class PublicEvent(IntegrationType, frozen=True, kw_only=True):
    """Something that happened."""

    version: Annotated[int, Meta(ge=1, description="The version of its subject that this event made.")]
    occurred_at: Annotated[datetime, Meta(tz=True, description="When it was decided.")]


class PublicState(IntegrationType, frozen=True, kw_only=True):
    """What something is now."""

    version: Annotated[int, Meta(ge=1, description="The version of the last event in it, private ones included.")]
    created_at: Annotated[datetime, Meta(tz=True, description="When it began.")]
    updated_at: Annotated[datetime, Meta(tz=True, description="When its last event was decided.")]


R = TypeVar("R", bound=Root)
E = TypeVar("E", bound=Root.Event)

Mapping = Callable[[Any], IntegrationType | None]

EVENTS: dict[type[Root.Event], dict[int, tuple[type[PublicEvent], Mapping]]] = {}
"""How domain events are published: by class, then by version of what is published."""

STATES: dict[type[Root], dict[int, tuple[type[PublicState], Mapping]]] = {}
"""How aggregates are published."""

PRIVATE: dict[type[Root.Event], str] = {}
"""Domain events that are not published, with the reason."""


def publishes(mapping: Callable[[E], PublicEvent]) -> Callable[[E], PublicEvent]:
    """Marks a function from a domain event to what is published of it; its annotations name both."""
    source, target = _ends(mapping)
    EVENTS.setdefault(source, {})[target.VERSION] = target, mapping
    return mapping


def publishes_state(mapping: Callable[[R], PublicState | None]) -> Callable[[R], PublicState | None]:
    """Marks a function from an aggregate to what is published of its state; None: it is gone for good."""
    source, target = _ends(mapping)
    STATES.setdefault(source, {})[target.VERSION] = target, mapping
    return mapping


def keeps_private(event_class: type[Root.Event], reason: str) -> None:
    """Says of a domain event that it is not published, and why."""
    PRIVATE[event_class] = reason


def length(text: str) -> int | None:
    """How many characters a text has; None once it is forgotten."""
    return None if text == ERASED else len(text)


def _ends(mapping: Callable[[Any], Any]) -> tuple[Any, Any]:
    hints = get_type_hints(mapping)
    target = hints.pop("return")
    (source,) = hints.values()
    kinds = [kind for kind in getattr(target, "__args__", [target]) if kind is not type(None)]
    return source, kinds[0]


def moment(event: Root.Event) -> dict[str, Any]:
    """The fields that all published events share."""
    return {"version": event.originator_version, "occurred_at": event.timestamp}


def age(root: Root) -> dict[str, Any]:
    """The fields that all published states share."""
    return {"version": root.version, "created_at": root.created_on, "updated_at": root.modified_on}
