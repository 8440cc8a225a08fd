"""Files: a bucket of S3, or of another store that speaks its protocol; without one, a folder of the data folder."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo

from adapters.files.s3_bucket import S3Bucket
from infra.settings.subject import Subject
from infra.settings.tls import require_tls

BUCKET = r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9][A-Za-z0-9._-]*)*$"


def _encrypted(value: str, info: ValidationInfo) -> str:
    parts = urlsplit(value)
    require_tls(info, [parts.hostname or ""], verified=parts.scheme == "https", advice="write https://")
    return value


def _with_its_key(value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
    if (value is None) != (info.data.get("access_key") is None):
        raise ValueError("and PALIMPSEST_S3_ACCESS_KEY are set both, or neither.")
    return value


class FileSettings(Subject):
    """Where files are kept."""

    bucket_url: str | None = Field(
        None,
        pattern=BUCKET,
        validation_alias="PALIMPSEST_FILES_URL",
        description="Bucket for files, s3://bucket or s3://bucket/folder; none: a folder of the data folder",
    )
    endpoint: Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+$"), AfterValidator(_encrypted)] | None = Field(
        None,
        validation_alias="PALIMPSEST_S3_ENDPOINT",
        description="Address of a store that speaks the protocol of S3, https://host:port; none: AWS",
    )
    region: str | None = Field(
        None, pattern=r"^[a-z0-9-]+$", validation_alias="PALIMPSEST_S3_REGION", description="Region of the bucket"
    )
    access_key: str | None = Field(
        None,
        min_length=1,
        validation_alias="PALIMPSEST_S3_ACCESS_KEY",
        description="Id of the access key; none: the rights that the machine has by itself",
    )
    secret_key: Annotated[SecretStr | None, AfterValidator(_with_its_key)] = Field(
        None, validation_alias="PALIMPSEST_S3_SECRET_KEY", validate_default=True, description="Secret of the access key"
    )

    def bucket(self) -> S3Bucket | None:
        """The bucket; None: files are in a folder."""
        if self.bucket_url is None:
            return None
        parts = urlsplit(self.bucket_url)
        return S3Bucket(
            name=parts.netloc,
            folder=parts.path.strip("/") or None,
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=None if self.secret_key is None else self.secret_key.get_secret_value(),
        )
