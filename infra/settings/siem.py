"""A SIEM that gets the history of the log."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationInfo

from infra.settings.subject import Subject, url_check
from infra.settings.tls import require_tls

MIN_SECRET_LENGTH = 32


def _encrypted(value: SecretStr, info: ValidationInfo) -> SecretStr:
    parts = urlsplit(value.get_secret_value())
    require_tls(info, [parts.hostname or ""], verified=parts.scheme == "https", advice="write https://")
    return value


def _with_its_address(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if value is None and info.data.get("url") is not None:
        raise ValueError("must be set where PALIMPSEST_SIEM_URL is: it shows the receiver who sends.")
    return value


class SiemSettings(Subject):
    """Where the history is delivered to; without an address it is not."""

    url: Annotated[SecretStr, AfterValidator(url_check("https", "http")), AfterValidator(_encrypted)] | None = Field(
        None,
        validation_alias="PALIMPSEST_SIEM_URL",
        description="Address to which the worker posts the history as JSON Lines; none: it is not delivered",
    )
    secret: Annotated[
        Annotated[SecretStr, Field(min_length=MIN_SECRET_LENGTH)] | None, AfterValidator(_with_its_address)
    ] = Field(
        None,
        validate_default=True,
        validation_alias="PALIMPSEST_SIEM_SECRET",
        description="Secret that signs what is posted, of 32 characters or more",
    )
    cafile: FilePath | None = Field(
        None,
        validation_alias="PALIMPSEST_SIEM_CAFILE",
        description="Certificates of the authorities that the SIEM is trusted by (PEM); none: those of the machine",
    )
