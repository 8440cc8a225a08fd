"""The client that sent a request: what a session and the security log say about it."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Client:
    """The program that sent a request. All fields are personal data.

    `address`: its IP address, empty if unknown. `user_agent`: the text by which it names itself, as it was sent.
    `network`: what one client has for itself, an IPv4 address or a /64 of IPv6. `solution`: of a challenge, as sent.
    """

    address: str = field(repr=False)
    user_agent: str = field(repr=False)
    network: str = field(default="", repr=False)
    solution: str = field(default="", repr=False)


class DeviceNames(Protocol):
    """Says what device a client is, as its user would call it."""

    def __call__(self, user_agent: str) -> str:
        """Return the browser and the system, such as "Firefox on Linux", as far as the user agent names them."""
