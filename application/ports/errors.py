"""Errors of the ports: refusals that the caller can act on, and failures of the servers behind the ports."""

from collections.abc import Sequence
from uuid import UUID

from domain.kernel import Conflict, Forbidden, Invalid, Refusal


class PreconditionFailed(Conflict):
    """The caller made a precondition that is not met."""


class StaleVersion(PreconditionFailed):
    """The caller named versions (`If-Match`) of which none is the current one."""

    def __init__(self, current: int | None) -> None:
        super().__init__(f"The current version is {current}; read it, then send your change again.")


class UnwantedMatch(PreconditionFailed):
    """The caller named what must not be there (`If-None-Match`), and it is."""


class VersionNeeded(Conflict):
    """The command depends on a version, and the caller named none."""


class Busy(Conflict):
    """The command met a version conflict at each of its attempts."""


class ClaimTaken(Conflict):
    """Another stream holds the claim."""

    code = "taken"

    def __init__(self, kind: str) -> None:
        super().__init__(f"This {kind.replace('_', ' ')} is taken; choose another.")
        self.kind = kind


class KeyReused(Conflict):
    """An Idempotency-Key came back with a different request."""


class InFlight(Conflict):
    """The first request with this Idempotency-Key has not been answered yet."""


class AnswerExpired(Conflict):
    """The answer to the first request with this Idempotency-Key held a secret, which is no longer kept."""


class VersionConflict(Exception):
    """Another append to one of the streams came first; load again and retry."""

    def __init__(self, stream_ids: Sequence[UUID] = ()) -> None:
        super().__init__("another append came first")
        self.stream_ids = stream_ids


class Unavailable(Exception):
    """A server we depend on does not answer. `retry_after` is in seconds."""

    def __init__(self, what: str, retry_after: int = 2) -> None:
        super().__init__(f"{what} is not available")
        self.retry_after = retry_after


class Unreadable(Exception):
    """What is stored cannot be read: it was damaged, or this program does not know its form. A repeat does not help."""


class NotAuthenticated(Forbidden):
    """The person did not prove who they are."""


class RateLimited(Refusal):
    """The caller has asked too often. `retry_after`: whole seconds until the same request may pass.

    `work`: of the challenge whose solution lets it pass at once; None: none does.
    """

    def __init__(self, detail: str, retry_after: int, work: int | None = None) -> None:
        super().__init__(detail)
        self.retry_after = retry_after
        self.work = work


class TooManyAtOnce(Invalid):
    """The request asks for more at once than its limits ever let through."""


class NotSettled(Exception):
    """The command was carried out, but a read that it forbids may still succeed. `retry_after` is in seconds."""

    retry_after = 2


class OutcomeUnknown(Unavailable):
    """The connection was cut after the append was sent: it may or may not have been committed."""
