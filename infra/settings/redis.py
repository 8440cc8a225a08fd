"""Redis."""

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from infra.settings.subject import Subject, url_check

RedisUrl = Annotated[SecretStr, AfterValidator(url_check("redis", "rediss"))]


class RedisSettings(Subject):
    """Address of the cache."""

    url: RedisUrl | None = Field(None, validation_alias="REDIS_URL", description="Redis; none: no cache")
