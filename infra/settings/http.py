"""The HTTP API."""

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from infra.settings.subject import Port, Subject


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _origins(value: list[str]) -> list[str]:
    for origin in value:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise ValueError(f"has '{origin}', which is not an origin like https://app.example.com")
    return value


def _networks(value: list[str]) -> list[str]:
    return [_network(each) for each in value]


def _network(text: str) -> str:
    try:
        network = ip_network(text)
    except ValueError:
        raise ValueError(f"has '{text}', which is not a network like 10.1.0.0/16, or an address") from None
    if not network.prefixlen:
        raise ValueError(f"has '{text}', which would let every client name another address as its own")
    return str(network)


def _default_public_url(values: Mapping[str, Any]) -> str:
    return url_on_this_machine(values.get("host", ""), values.get("port", 0))


def url_on_this_machine(host: str, port: int) -> str:
    """The address at which clients on this machine reach a server that listens on `host`."""
    own = "127.0.0.1" if host in ("0.0.0.0", "::") else host  # noqa: S104 - compared, not bound
    return f"http://[{own}]:{port}" if ":" in own else f"http://{own}:{port}"


class HttpSettings(Subject):
    """Addresses and limits of the API."""

    host: str = Field(
        "127.0.0.1", min_length=1, validation_alias="PALIMPSEST_HOST", description="Address the API listens on"
    )
    port: Port = Field(8000, validation_alias="PALIMPSEST_PORT", description="Port the API listens on")
    public_url: str = Field(
        default_factory=_default_public_url,
        pattern=r"^https?://[^\s?#]+$",
        validation_alias="PALIMPSEST_PUBLIC_URL",
        description="Address of the API for clients, default: on this machine; records name their schemas there",
    )
    cors_origins: Annotated[list[str], BeforeValidator(_split), AfterValidator(_origins)] = Field(
        default=[],
        validation_alias="PALIMPSEST_CORS_ORIGINS",
        description="Web origins that may call the API, separated by commas",
    )
    trusted_proxies: Annotated[list[str], BeforeValidator(_split), AfterValidator(_networks)] = Field(
        default=[],
        validation_alias="PALIMPSEST_TRUSTED_PROXIES",
        description="Networks of reverse proxies whose X-Forwarded-For is believed, separated by commas",
    )
    read_wait_max: float = Field(
        5.0,
        ge=0,
        le=60,
        validation_alias="PALIMPSEST_READ_WAIT_MAX",
        description="Maximum seconds that a read waits for a Consistency-Token",
    )
