"""Port of performers to the command bus, for what a user has requested before."""

from collections.abc import Awaitable
from typing import Any, Protocol
from uuid import UUID

from application.commands import Command
from application.known_roots import KnownRoots


class SendAsUser(Protocol):
    """Sends a command as a user who has requested its effect: what the user may do is asked again."""

    def __call__(
        self, command: Command[Any], key: str, user_id: UUID, known: KnownRoots | None = None
    ) -> Awaitable[Any]:
        """Send the command and return its answer; a repeat with the same key has no further effect.

        `known`: aggregates that were loaded already, and afterwards those as the command has left them.

        Raises:
            Refusal: a rule refused the command.
            Unavailable, NotSettled: see `application.bus.Bus.send`; a repeat may help.
        """
