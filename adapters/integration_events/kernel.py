"""Base classes of the public contract, and the registry of all its classes.

Domain events are private and may change their shape with the code. Integration events are a contract: classes of their
own, each mapped from one domain event. They contain no personal data and nothing that identifies a person: no names,
texts or addresses, and no digests of addresses. A domain event without a class here is not published.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, ClassVar, dataclass_transform

from msgspec import Meta, Struct, StructMeta

from adapters.integration_events.mapping import ContractError, From, compile_mapping
from domain.kernel import Root

NAMESPACE = "palimpsest"

Count = Annotated[int, Meta(ge=0)]
Length = Annotated[int, Meta(ge=0)] | None

Mapping = Callable[[Any], "IntegrationType | None"]

EVENTS: dict[type[Root.Event], dict[int, tuple[type["PublicEvent"], Mapping]]] = {}
"""How domain events are published: by domain event, then by version of the integration event."""

STATES: dict[type[Root], dict[int, tuple[type["PublicState"], Mapping]]] = {}
"""How aggregates are published: by root, then by version of the state."""

PRIVATE: dict[type[Root.Event], str] = {}
"""Domain events that are not published, with the reason."""


@dataclass_transform(kw_only_default=True, frozen_default=True)
class ContractMeta(StructMeta):
    """Metaclass: makes contract classes frozen, with keyword fields, and registers those that name their source."""

    def __new__(
        mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, of: Any = None, **config: Any
    ) -> Any:
        """Make the class. `of`: the domain event or the root that it is published from."""
        made: Any = super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True, **config)
        if of is not None:
            _register(made, of)
        elif "NAME" in namespace:
            raise ContractError(
                f"{name} has a NAME and would never be published. Add its source: class {name}(of=...)."
            )
        return made


class IntegrationType(Struct, metaclass=ContractMeta):
    """Base of integration events and public states. A class has a name and a version, which never change.

    A new field needs a default, which makes it optional in the schema. A field is never removed, renamed or given
    another type: that takes a new class with the next `VERSION` beside the old one.

    `FOR_MANAGERS`: the event is about shares or invitations of others. Over HTTP it is delivered only to the users who
    manage these: the owner of the document, the admins of the team.
    """

    NAME: ClassVar[str]
    VERSION: ClassVar[int] = 1
    FOR_MANAGERS: ClassVar[bool] = False

    @classmethod
    def type(cls) -> str:
        """The CloudEvents type."""
        return f"{NAMESPACE}.{cls.NAME}.v{cls.VERSION}"

    @classmethod
    def aggregate(cls) -> str:
        """The aggregate it belongs to: the first word of its name. It names the topic."""
        return cls.NAME.partition(".")[0]


class PublicEvent(IntegrationType):
    """Something that happened."""

    version: Annotated[
        int, Meta(ge=1, description="The version of the subject after this event."), From("originator_version")
    ]
    occurred_at: Annotated[
        datetime, Meta(tz=True, description="The time at which the event was decided."), From("timestamp")
    ]


class PublicState(IntegrationType):
    """The current state of an aggregate."""

    version: Annotated[int, Meta(ge=1, description="The version of the last event included, private events too.")]
    created_at: Annotated[datetime, Meta(tz=True, description="The time of the first event."), From("created_on")]
    updated_at: Annotated[datetime, Meta(tz=True, description="The time of the last event."), From("modified_on")]

    @staticmethod
    def is_gone(root: Any) -> bool:
        """Whether the aggregate is gone for good, so that its record is replaced by a tombstone."""
        return False


def keep_private(event_class: type[Root.Event], reason: str) -> None:
    """Declare that a domain event is not published, and why."""
    PRIVATE[event_class] = reason


def _register(public: type[Any], private: type[Any]) -> None:
    """Add a class to the contract.

    Raises:
        ContractError: it cannot be mapped, its name belongs to another aggregate, or its version exists already.
    """
    is_state = issubclass(public, PublicState)
    root: Any = private if is_state else private.root
    if public.aggregate() != root.TOPIC:
        raise ContractError(f"{public.__name__} is from {root.__name__}: its NAME must begin with '{root.TOPIC}.'")
    registry: dict[Any, Any] = STATES if is_state else EVENTS
    versions = registry.get(private, {})
    if public.VERSION in versions:
        raise ContractError(
            f"{public.__name__}: {private.__qualname__} is published as version {public.VERSION} already, by"
            f" {versions[public.VERSION][0].__name__}. Set the next VERSION."
        )
    mapping = compile_mapping(public, private, optional=is_state)
    registry.setdefault(private, {})[public.VERSION] = public, mapping
