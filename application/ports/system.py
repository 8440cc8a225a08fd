"""Port of performers and policies to the command bus."""

from collections.abc import Awaitable
from typing import Any, Protocol

from application.commands import Command


class SendAsSystem(Protocol):
    """Sends a command as the system: it has no actor, and an idempotency key."""

    def __call__(self, command: Command[Any], key: str) -> Awaitable[Any]:
        """Send the command and return its answer; a repeat with the same key has no further effect.

        Raises:
            Refusal: a rule refused the command.
            Unavailable, NotSettled: see `application.bus.Bus.send`; a repeat may help.
        """
