"""The source of the key document, which has all keys. Without them the stored data cannot be read."""

from pathlib import Path

from pydantic import Field, SecretStr

from infra.settings.installation import DEFAULT_DATA_DIR
from infra.settings.subject import Subject

KEYS_FILE = "keys.json"
"""The key document that `palimpsest up` makes at its first start. Without it the data is lost."""


class KeySettings(Subject):
    """Where the key document is: the variable wins over the command, and the command over the file."""

    file: Path = Field(
        DEFAULT_DATA_DIR / KEYS_FILE,
        validation_alias="PALIMPSEST_KEYS_FILE",
        description="File with the key document (keys and their states, JSON); mode 0600",
    )
    document: SecretStr | None = Field(
        None, validation_alias="PALIMPSEST_KEYS", description="The key document itself, in place of a file"
    )
    command: SecretStr | None = Field(
        None,
        validation_alias="PALIMPSEST_KEYS_COMMAND",
        description="Command that prints the key document, in place of a file; it runs without a shell",
    )
