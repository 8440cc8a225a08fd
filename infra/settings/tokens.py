"""Access tokens."""

import json
from base64 import urlsafe_b64decode
from typing import Annotated

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import AfterValidator, Field, SecretStr

from infra.settings.subject import Subject


def _ed25519_jwk(value: SecretStr) -> SecretStr:
    if not _is_ed25519_jwk(value.get_secret_value()):
        raise ValueError(
            "is not the JWK of an Ed25519 private key with 'kty', 'crv', 'kid', 'x' and 'd'. "
            "Make one with: palimpsest new-keys"
        )
    return value


def _is_ed25519_jwk(text: str) -> bool:
    try:
        jwk = json.loads(text)
        private, public = (urlsafe_b64decode(jwk[part] + "==") for part in ("d", "x"))
        ed25519 = (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519") and bool(jwk["kid"])
        return ed25519 and Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw() == public
    except (ValueError, TypeError, KeyError):
        return False


class TokenSettings(Subject):
    """Signing key, lifetime and claims of access tokens."""

    signing_key: Annotated[SecretStr, AfterValidator(_ed25519_jwk)] = Field(
        validation_alias="PALIMPSEST_TOKEN_SIGNING_KEY",
        description="Signs access tokens: the JWK of an Ed25519 private key, with a 'kid'",
    )
    ttl: int = Field(
        3600, ge=900, le=3600, validation_alias="PALIMPSEST_TOKEN_TTL", description="Lifetime of a token in seconds"
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
