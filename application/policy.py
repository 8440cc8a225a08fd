"""Policies (process managers): what an event causes, as commands and jobs. One file each in `application/policies/`.

A policy is a function without side effects. The worker calls it once for each event, in the order of the log, from the
moment at which the policy was new; rebuilds of read models never call it. Its checkpoint, its state and its jobs are
stored in one transaction. Its commands are sent before that, with an idempotency key made of policy and position.
"""

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from application.commands import Command
from application.jobs import Job
from domain.kernel import NotFound, Refusal, Root

Reaction = Job | Command[Any]
"""What an event causes. A command of a policy has no actor."""

Since = Literal["end", "beginning"]

S = TypeVar("S", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """What a policy with a state returns: its state from now on (None: it is deleted), and its reactions."""

    state: S | None
    reactions: Iterable[Reaction] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """A registered policy.

    `react` takes an event, and the state if there is a `state` class; it returns reactions, or a `Step`. A state is
    kept for each `key`, which is the id of the event's stream unless the policy says otherwise; it holds ids and plain
    values, nothing personal. `since`: where in the log a new policy begins. `settled_by`: refusals of its commands that
    mean that there is nothing left to do.
    """

    name: str
    events: frozenset[type[Root.Event]]
    react: Callable[..., Any]
    state: type[msgspec.Struct] | None
    key: Callable[[Any], UUID]
    since: Since
    settled_by: tuple[type[Refusal], ...]


POLICIES: dict[str, Policy] = {}

F = TypeVar("F", bound=Callable[..., Any])


def policy(
    *,
    since: Since = "end",
    key: Callable[[Any], UUID] | None = None,
    settled_by: tuple[type[Refusal], ...] = (NotFound,),
    registry: dict[str, Policy] = POLICIES,
) -> Callable[[F], F]:
    """Register a function as the policy of its name.

    Its first parameter is annotated with the events that it wants, `A | B`; a second one with the class of its state,
    a struct whose fields all have defaults.

    Raises:
        TypeError: there is a policy of this name already, or the function has other parameters.
    """

    def register(react: F) -> F:
        hints = get_type_hints(react)
        parameters = [hints[name] for name in inspect.signature(react).parameters]
        name = react.__name__
        if name in registry:
            raise TypeError(f"there are two policies {name}")
        if not 1 <= len(parameters) <= 2:
            raise TypeError(f"the policy {name} takes an event, and a state if it has one")
        events = frozenset(get_args(parameters[0]) if _is_union(parameters[0]) else [parameters[0]])
        state = parameters[1] if len(parameters) == 2 else None
        registry[name] = Policy(name, events, react, state, key or _stream_of, since, settled_by)
        return react

    return register


def react_to(policy: Policy, event: Root.Event, state: msgspec.Struct | None) -> Step[Any]:
    """Return what the policy does about an event of one of its classes. `state`: the one that is kept, if any."""
    if policy.state is None:
        return Step(None, list(policy.react(event) or ()))
    step: Step[Any] = policy.react(event, policy.state() if state is None else state)
    return Step(step.state, list(step.reactions))


def command_key(policy: str, position: int, number: int) -> str:
    """Return the idempotency key of a policy's command: the command number `number` about the event at `position`."""
    return f"policy:{policy}:{position}:{number}"


def _stream_of(event: Root.Event) -> UUID:
    return event.originator_id


def _is_union(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, UnionType)
