"""The audit tree, with which others can check the history, and the witnesses that cosign it."""

import re
from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, FilePath, SecretStr, ValidationInfo

from infra.settings.subject import Subject, url_check
from infra.settings.tls import require_tls

DEFAULT_ORIGIN = "palimpsest.localhost/log"
MAX_WITNESSES = 16
_KEY = re.compile(r"(?P<name>[^\s+,]+)\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}")


class WitnessAddress(NamedTuple):
    """A witness as it is written in the settings. `key`: its verifier key; `url`: it may hold a secret."""

    key: str
    url: str


def _addresses(text: str) -> list[WitnessAddress]:
    """Return the witnesses of a list like `KEY URL, KEY URL`.

    Raises:
        ValueError: it is none.
    """
    found = [part.split() for part in text.split(",") if part.strip()]
    if any(len(part) != 2 or not _KEY.fullmatch(part[0]) or "?" in part[1] for part in found):
        raise ValueError("is not a list like name+id+key https://witness.example, name+id+key https://other.example")
    return [WitnessAddress(*part) for part in found]


def _witnesses(value: SecretStr, info: ValidationInfo) -> SecretStr:
    addresses = _addresses(value.get_secret_value())
    if len(addresses) > MAX_WITNESSES:
        raise ValueError(f"names more than {MAX_WITNESSES} witnesses.")
    if len({key.partition("+")[0] for key, _ in addresses}) < len(addresses):
        raise ValueError("names a witness twice: each needs a name of its own.")
    for _, url in addresses:
        url_check("https", "http")(SecretStr(url))
        parts = urlsplit(url)
        require_tls(info, [parts.hostname or ""], verified=parts.scheme == "https", advice="write https://")
    return value


class AuditSettings(Subject):
    """The name of the log, which checkpoints and the key of the log carry for ever; and its witnesses."""

    origin: str = Field(
        DEFAULT_ORIGIN,
        max_length=200,
        pattern=r"^[^\s+]+$",
        validation_alias="PALIMPSEST_LOG_ORIGIN",
        description="Name of the log, like api.example.com/v1/log; must not change once there are checkpoints",
    )
    witnesses: Annotated[SecretStr, AfterValidator(_witnesses)] = Field(
        SecretStr(""),
        validation_alias="PALIMPSEST_LOG_WITNESSES",
        description="Witnesses that cosign the checkpoints of the log, each as KEY URL, separated by commas: the key "
        "as the witness publishes it, and the address to which /add-checkpoint is added; empty: none",
    )
    witness_cafile: FilePath | None = Field(
        None,
        validation_alias="PALIMPSEST_LOG_WITNESS_CAFILE",
        description="Certificates of the authorities that witnesses are trusted by (PEM); none: those of the machine",
    )

    @property
    def witness_addresses(self) -> list[WitnessAddress]:
        """The witnesses; none: checkpoints are not cosigned."""
        return _addresses(self.witnesses.get_secret_value())
