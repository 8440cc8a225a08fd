"""TLS to servers: required to every other machine, unless PALIMPSEST_SERVER_TLS says that the network is safe.

A loopback address or a Unix socket is on this machine. Validators find the other variables in the context.
"""

from collections.abc import Iterable
from ipaddress import ip_address

from pydantic import ValidationInfo

SERVER_TLS = "PALIMPSEST_SERVER_TLS"


def require_tls(info: ValidationInfo, hosts: Iterable[str], *, verified: bool, advice: str) -> None:
    """Check that servers on other machines are reached through TLS with verified certificates.

    Raises:
        ValueError: they are not; the message ends with the advice.
    """
    is_optional = (info.context or {}).get(SERVER_TLS) == "optional"
    if not (verified or is_optional or all(map(is_on_this_machine, hosts))):
        raise ValueError(
            f"would reach another machine in clear, or without verifying who answers: {advice}. "
            f"{SERVER_TLS}=optional allows it, for a network that is safe by itself."
        )


def is_on_this_machine(host: str) -> bool:
    """Whether a host is a loopback address or a Unix socket. No host means the driver's default, which is local."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
