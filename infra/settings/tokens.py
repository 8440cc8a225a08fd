"""Access tokens."""

from pydantic import Field

from infra.settings.subject import Subject

MAX_TOKEN_SECONDS = 3600


class TokenSettings(Subject):
    """Lifetime and claims of access tokens."""

    ttl: int = Field(
        MAX_TOKEN_SECONDS,
        ge=900,
        le=MAX_TOKEN_SECONDS,
        validation_alias="PALIMPSEST_TOKEN_TTL",
        description="Lifetime of a token in seconds",
    )
    issuer: str = Field(
        "palimpsest", min_length=1, validation_alias="PALIMPSEST_TOKEN_ISSUER", description="Issuer of tokens ('iss')"
    )
    audience: str = Field(
        "palimpsest",
        min_length=1,
        validation_alias="PALIMPSEST_TOKEN_AUDIENCE",
        description="Audience of tokens ('aud')",
    )
