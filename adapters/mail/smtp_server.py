"""A mail server, and how to reach it."""

from dataclasses import dataclass, field
from typing import Literal

Security = Literal["none", "starttls", "tls"]
"""How a connection is encrypted: never, from the command STARTTLS on (RFC 3207), or from the start (RFC 8314)."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server and our login there. `authorities`: a file of certificates (PEM) to trust besides the system's.

    `greeting_name`: the name that we give ourselves in EHLO. `timeout`: the longest time until the server is ready
    for the text of a mail, in seconds.
    """

    host: str
    port: int
    security: Security
    greeting_name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    authorities: str | None = None
    timeout: float = 25.0
