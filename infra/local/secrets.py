"""The secrets of an installation: made once, kept beside its data, never replaced while the data exists."""

import json
import os
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.servers.process import write_private
from infra.settings.errors import SettingsError
from infra.settings.keys import KeySettings
from infra.settings.load import SECRETS_FILE
from infra.settings.tokens import TokenSettings

KEY_ENCRYPTION_KEY, STORE_KEY, BLIND_INDEX_KEY = map(
    KeySettings.variable, ("key_encryption_key", "store_key", "blind_index_key")
)
TOKEN_SIGNING_KEY = TokenSettings.variable("signing_key")
NEEDED_BY_DATA = (KEY_ENCRYPTION_KEY, STORE_KEY, BLIND_INDEX_KEY)
"""Without these keys the stored data cannot be read."""


def new_keys() -> dict[str, str]:
    """A fresh value for every secret, by variable."""
    return {
        KEY_ENCRYPTION_KEY: b64encode(secrets.token_bytes(32)).decode(),
        STORE_KEY: b64encode(secrets.token_bytes(32)).decode(),
        BLIND_INDEX_KEY: b64encode(secrets.token_bytes(32)).decode(),
        TOKEN_SIGNING_KEY: new_signing_key(),
    }


def new_signing_key() -> str:
    """The JWK of a new Ed25519 private key."""
    key = Ed25519PrivateKey.generate()
    parts = {"x": key.public_key().public_bytes_raw(), "d": key.private_bytes_raw()}
    encoded = {name: urlsafe_b64encode(raw).rstrip(b"=").decode() for name, raw in parts.items()}
    return json.dumps({"kty": "OKP", "crv": "Ed25519", "kid": secrets.token_hex(4), **encoded})


def missing(folder: Path) -> dict[str, str]:
    """Fresh values, by variable, for the secrets that are neither in the environment nor in the folder's file."""
    kept = _kept(folder)
    return {
        variable: value
        for variable, value in new_keys().items()
        if not os.environ.get(variable) and f"{variable}=" not in kept
    }


def ensure(folder: Path, *, data_exists: bool) -> None:
    """Make the missing secrets and write them to the folder's file.

    Raises:
        SettingsError: data exists whose keys are lost; new keys could not open it.
    """
    made = missing(folder)
    lost = [variable for variable in NEEDED_BY_DATA if variable in made]
    file = folder / SECRETS_FILE
    if data_exists and lost:
        raise SettingsError(
            f"{' and '.join(lost)} of the data in {folder} cannot be found. Restore {file}, "
            "or start with another folder: make run DATA_DIR=..."
        )
    if made:
        write_private(file, _kept(folder) + as_lines(made))


def _kept(folder: Path) -> str:
    file = folder / SECRETS_FILE
    return file.read_text() if file.exists() else ""


def as_lines(values: Mapping[str, str]) -> str:
    """The lines of an env file."""
    return "".join(f"{name}='{value}'\n" for name, value in values.items())
