"""What caused the work that runs now. Jobs keep it, so that the events of their commands belong to the same request."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Cause:
    """The request that caused some work, by its correlation id. `event_id`: the event of it that did; None: itself."""

    correlation_id: UUID
    event_id: UUID | None = None


_CAUSE: ContextVar[Cause | None] = ContextVar("cause", default=None)


def present_cause() -> Cause | None:
    """Return what caused the work that runs now; None: a schedule or an operator did."""
    return _CAUSE.get()


@contextmanager
def working_for(cause: Cause | None) -> Iterator[None]:
    """Name the cause of the work within, in this task and those that it starts."""
    token = _CAUSE.set(cause)
    try:
        yield
    finally:
        _CAUSE.reset(token)
