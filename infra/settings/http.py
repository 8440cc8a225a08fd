"""The HTTP API."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from infra.settings.subject import Port, Subject


def _split(value: Any) -> Any:
    return [origin.strip() for origin in value.split(",") if origin.strip()] if isinstance(value, str) else value


def _origins(value: list[str]) -> list[str]:
    for origin in value:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise ValueError(f"has '{origin}', which is not an origin like https://app.example.com")
    return value


class HttpSettings(Subject):
    """Addresses and limits of the API."""

    host: str = Field(
        "127.0.0.1", min_length=1, validation_alias="PALIMPSEST_HOST", description="Address the API listens on"
    )
    port: Port = Field(8000, validation_alias="PALIMPSEST_PORT", description="Port the API listens on")
    public_url: str = Field(
        "http://localhost:8000",
        pattern=r"^https?://[^\s?#]+$",
        validation_alias="PALIMPSEST_PUBLIC_URL",
        description="Address of the API for clients; published records refer to their schemas there",
    )
    cors_origins: Annotated[list[str], BeforeValidator(_split), AfterValidator(_origins)] = Field(
        default=[],
        validation_alias="PALIMPSEST_CORS_ORIGINS",
        description="Web origins that may call the API, separated by commas",
    )
    read_wait_max: float = Field(
        5.0,
        ge=0,
        le=60,
        validation_alias="PALIMPSEST_READ_WAIT_MAX",
        description="Maximum seconds that a read waits for a Consistency-Token",
    )
