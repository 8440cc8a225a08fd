"""Port to a SIEM: a server of the operator that collects security events."""

from typing import Protocol


class NotDelivered(Exception):
    """The server has not confirmed the lines. The message says why, without what the server wrote."""


class Siem(Protocol):
    """Takes lines of JSON."""

    async def send(self, lines: bytes) -> None:
        """Send lines, and return when the server has confirmed all of them.

        Raises:
            NotDelivered: it has not, or it is not known; the same lines are to be sent again.
        """
