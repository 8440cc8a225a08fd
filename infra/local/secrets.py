"""The secrets of an installation: made once, kept beside its data, never made anew for data that exists."""

import json
import os
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from infra.local.servers.process import write_private
from infra.settings.model import SECRETS_FILE, SettingsError, variable

FIELDS = ("key_encryption_key", "blind_index_key", "token_signing_key")
KEY_ENCRYPTION_KEY, BLIND_INDEX_KEY, TOKEN_SIGNING_KEY = map(variable, FIELDS)
NEEDED_BY_DATA = (KEY_ENCRYPTION_KEY, BLIND_INDEX_KEY)
"""Without these, what is stored can no longer be read."""


def new_keys() -> dict[str, str]:
    """A fresh value for every secret, by variable, in the order of `FIELDS`."""
    return {
        KEY_ENCRYPTION_KEY: b64encode(secrets.token_bytes(32)).decode(),
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
    """Fresh values, by field, for the secrets that neither the environment nor the folder's file has."""
    kept = _kept(folder)
    return {
        field: value
        for field, (name, value) in zip(FIELDS, new_keys().items(), strict=True)
        if not os.environ.get(name) and f"{name}=" not in kept
    }


def ensure(folder: Path, *, data_exists: bool) -> None:
    """Make the secrets that are missing.

    Raises `SettingsError` where data exists whose keys are gone: new ones would not open it.
    """
    made = {variable(field): value for field, value in missing(folder).items()}
    lost = [name for name in NEEDED_BY_DATA if name in made]
    file = folder / SECRETS_FILE
    if data_exists and lost:
        raise SettingsError(
            f"{' and '.join(lost)} of the data in {folder} cannot be found. Restore {file}, "
            "or start afresh in another folder: make run DATA_DIR=..."
        )
    if made:
        write_private(file, _kept(folder) + as_lines(made))


def _kept(folder: Path) -> str:
    file = folder / SECRETS_FILE
    return file.read_text() if file.exists() else ""


def as_lines(values: Mapping[str, str]) -> str:
    """Variables as lines of an env file."""
    return "".join(f"{name}='{value}'\n" for name, value in values.items())
