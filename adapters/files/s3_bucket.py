"""A bucket of S3, and how to reach it."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class S3Bucket:
    """A bucket. `folder`: where in it our files are; `endpoint`: None for AWS. Without a key, the machine's own rights.

    `access_key` and `secret_key`: a login of the store.
    """

    name: str
    folder: str | None = None
    endpoint: str | None = None
    region: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
