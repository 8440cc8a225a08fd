"""The provider of language models; without a key, the sandbox answers."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationInfo

from infra.settings.subject import Subject
from infra.settings.tls import require_tls


def _encrypted(value: str, info: ValidationInfo) -> str:
    parts = urlsplit(value)
    require_tls(info, [parts.hostname or ""], verified=parts.scheme == "https", advice="write https://")
    return value


def _header(value: SecretStr) -> SecretStr:
    key = value.get_secret_value()
    if not (key.isascii() and key.isprintable() and key.strip() == key != ""):
        raise ValueError("is no key: it has characters that no header can have, or spaces around it")
    return value


class ProviderSettings(Subject):
    """Who writes text, and how much of it a minute."""

    key: Annotated[SecretStr, AfterValidator(_header)] | None = Field(
        None,
        validation_alias="PALIMPSEST_PROVIDER_KEY",
        description="Key of the API of OpenAI, or of another server that speaks it; none: a sandbox answers, no model",
    )
    address: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$"), AfterValidator(_encrypted)] = Field(
        "https://api.openai.com/v1",
        validation_alias="PALIMPSEST_PROVIDER_URL",
        description="Address of the API, up to /v1",
    )
    moderation: Literal["required", "preferred", "off"] = Field(
        "required",
        validation_alias="PALIMPSEST_MODERATION",
        description="Whether prompts and answers are judged; while no judgement is to be had, they wait (required) or "
        "pass (preferred)",
    )
    moderation_address: Annotated[str, Field(pattern=r"^https?://[^\s?#@]+$"), AfterValidator(_encrypted)] | None = (
        Field(
            None,
            validation_alias="PALIMPSEST_MODERATION_URL",
            description="Address of the API of OpenAI that judges texts, up to /v1; none: PALIMPSEST_PROVIDER_URL",
        )
    )
    moderation_key: Annotated[SecretStr, AfterValidator(_header)] | None = Field(
        None,
        validation_alias="PALIMPSEST_MODERATION_KEY",
        description="Key of that API; none: PALIMPSEST_PROVIDER_KEY, if the address is the provider's",
    )
    models: FilePath | None = Field(
        None,
        validation_alias="PALIMPSEST_MODELS",
        description="Catalogue of models, in the form of adapters/provider/catalogue.toml; none: that one",
    )
    requests_per_minute: int = Field(
        3_500,
        ge=1,
        validation_alias="PALIMPSEST_PROVIDER_REQUESTS",
        description="Requests a minute that the provider takes from all workers together",
    )
    tokens_per_minute: int = Field(
        2_000_000,
        ge=1,
        validation_alias="PALIMPSEST_PROVIDER_TOKENS",
        description="Tokens a minute that the provider takes from all workers together",
    )
    own_key_requests_per_minute: int = Field(
        500,
        ge=1,
        validation_alias="PALIMPSEST_OWN_KEY_REQUESTS",
        description="Requests a minute that the provider takes for each key of a user or team, from all workers",
    )
    own_key_tokens_per_minute: int = Field(
        200_000,
        ge=1,
        validation_alias="PALIMPSEST_OWN_KEY_TOKENS",
        description="Tokens a minute that the provider takes for each key of a user or team, from all workers",
    )
