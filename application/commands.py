"""Commands, and the registry of their handlers."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, TypeVar, cast, dataclass_transform, get_type_hints

import msgspec

from application.security_actions import SecurityAction

R = TypeVar("R")
V_co = TypeVar("V_co", covariant=True)


@dataclass_transform(frozen_default=True, kw_only_default=True)
class _CommandMeta(msgspec.StructMeta):
    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> "_CommandMeta":
        return super().__new__(mcls, name, bases, namespace, frozen=True, kw_only=True)


class Command(msgspec.Struct, Generic[R], metaclass=_CommandMeta):
    """A request to change something, named in the imperative.

    `R` is the type of its answer: None, a view (`application/views.py`), or a small dataclass of plain values.
    """

    answers_secret: ClassVar[bool] = False
    """Whether the answer authenticates its receiver, like a token. Such an answer is kept for minutes only."""

    names_version: ClassVar[bool] = False
    """Whether the caller must name the version that it changes (`If-Match`), as it means nothing for another one."""

    proves: ClassVar[SecurityAction | None] = None
    """By what the command proves who its sender is; the bus records its end in the security log."""

    def __repr__(self) -> str:
        # Commands carry passwords and personal data, which logs and tracebacks must not show.
        return f"{type(self).__name__}(...)"


@dataclass(frozen=True, slots=True)
class CommandResult(Generic[R]):
    """The outcome of a command. `replayed`: it answers an earlier request with the same key again.

    `position` is that of the command's last event. Without events it is None, or a position that the answer does
    not exceed.
    """

    answer: R
    position: int | None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ReadResult(Generic[V_co]):
    """What a query read, and the command that the read causes; None: it causes none."""

    view: V_co
    causes: Command[None] | None


Handler = Callable[..., Awaitable[Any]]


class PortGroup:
    """Base of dataclasses whose fields name ports. A handler takes one of them as a single parameter."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Registration:
    """A handler, the ports and groups of ports that its parameters name, and the type of its answer."""

    handler: Handler
    ports: tuple[str, ...]
    groups: Mapping[str, type[PortGroup]]
    answer: Any

    def arguments(self, ports: Mapping[str, object]) -> dict[str, object]:
        """Return what the handler is called with besides the command."""
        own = {name: ports[name] for name in self.ports}
        for name, group in self.groups.items():
            own[name] = group(**{field.name: ports[field.name] for field in fields(cast(Any, group))})
        return own


HANDLERS: dict[type[Command[Any]], Registration] = {}

H = TypeVar("H", bound=Handler)


def handles(handler: H) -> H:
    """Register `handler` for the command that annotates its first parameter; the others name ports or groups of them.

    Raises:
        TypeError: the command has a handler already.
    """
    first, *ports = inspect.signature(handler).parameters
    hints = get_type_hints(handler)
    command = hints[first]
    if command in HANDLERS:
        raise TypeError(f"{command.__name__} has two handlers")
    groups = {name: hints[name] for name in ports if _is_group(hints[name])}
    HANDLERS[command] = Registration(
        handler, tuple(port for port in ports if port not in groups), groups, hints["return"]
    )
    return handler


def _is_group(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, PortGroup)
