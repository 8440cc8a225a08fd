"""Redis."""

from typing import Annotated
from urllib.parse import parse_qs, urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from infra.settings.subject import Subject, url_check
from infra.settings.tls import require_tls

CACHE_USER = "palimpsest"
CACHE_RIGHTS = (
    "~palimpsest:* resetchannels -@all +ping +select +script|load +evalsha +get +mget +exists +getrange +set +del "
    "+scan +time"
)
"""What the cache's login may do in Redis, in the words of ACL SETUSER: our commands, on our keys (SCAN names all)."""

UNVERIFIED = ("ssl_cert_reqs", "ssl_check_hostname")
"""Options of the driver's addresses that can switch the verification off."""


def _encrypted(value: SecretStr, info: ValidationInfo) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    options = parse_qs(parts.query)
    hosts = [] if parts.scheme == "unix" else [parts.hostname or "", *options.get("host", [])]
    verified = parts.scheme == "rediss" and not any(name in options for name in UNVERIFIED)
    require_tls(info, hosts, verified=verified, advice="write rediss://, without " + " and ".join(UNVERIFIED))
    return value


RedisUrl = Annotated[SecretStr, AfterValidator(url_check("redis", "rediss", "unix")), AfterValidator(_encrypted)]


class RedisSettings(Subject):
    """Address of the cache."""

    url: RedisUrl | None = Field(None, validation_alias="REDIS_URL", description="Redis; none: no cache")
