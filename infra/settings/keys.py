"""The keys that protect personal data. Without them the stored data cannot be read."""

from base64 import b64decode
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from infra.settings.subject import Subject


def _key_of_32_bytes(value: SecretStr) -> SecretStr:
    try:
        size = len(b64decode(value.get_secret_value(), validate=True))
    except ValueError:
        raise ValueError("is not base64. Make one with: openssl rand -base64 32") from None
    if size != 32:
        raise ValueError(f"holds {size} bytes, not 32. Make one with: openssl rand -base64 32")
    return value


SecretKey = Annotated[SecretStr, AfterValidator(_key_of_32_bytes)]


class KeySettings(Subject):
    """Keys of sealing and of blind indexes."""

    key_encryption_key: SecretKey = Field(
        validation_alias="PALIMPSEST_KEY_ENCRYPTION_KEY",
        description="Wraps the data keys that seal personal data: 32 bytes, base64",
    )
    key_encryption_key_id: str = Field(
        "1",
        min_length=1,
        max_length=64,
        validation_alias="PALIMPSEST_KEY_ENCRYPTION_KEY_ID",
        description="Name of the key above",
    )
    store_key: SecretKey = Field(
        validation_alias="PALIMPSEST_STORE_KEY",
        description="Stamps everything that is stored: 32 bytes, base64",
    )
    blind_index_key: SecretKey = Field(
        validation_alias="PALIMPSEST_BLIND_INDEX_KEY",
        description="Makes the keyed hashes of unique values: 32 bytes, base64",
    )
