"""Files in S3, or in another store that speaks its protocol."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING

import obstore
from obstore.store import S3Store

from adapters.files import object_store
from adapters.files.object_store import UNKNOWN_TYPE, checked, info_of
from adapters.files.s3_bucket import S3Bucket
from application.ports import FileContent, FileInfo

if TYPE_CHECKING:
    from obstore.store import S3Config

TIMEOUT = timedelta(seconds=30)
CONNECT_TIMEOUT = timedelta(seconds=5)
MAX_RETRIES = 2
RETRY_TIMEOUT = timedelta(seconds=10)


class S3Files:
    """Implements `application.ports.Files`."""

    def __init__(self, bucket: S3Bucket) -> None:
        config: S3Config = {}
        if bucket.endpoint is not None:
            config["endpoint"] = bucket.endpoint
        if bucket.region is not None:
            config["region"] = bucket.region
        if bucket.access_key is not None and bucket.secret_key is not None:
            config["access_key_id"] = bucket.access_key
            config["secret_access_key"] = bucket.secret_key
        self._store = S3Store(
            bucket.name,
            prefix=bucket.folder,
            config=config,
            client_options={
                "allow_http": (bucket.endpoint or "").startswith("http:"),
                "timeout": TIMEOUT,
                "connect_timeout": CONNECT_TIMEOUT,
            },
            retry_config={"max_retries": MAX_RETRIES, "retry_timeout": RETRY_TIMEOUT},
        )

    async def put(
        self, key: str, content: bytes | AsyncIterable[bytes], *, content_type: str, if_absent: bool = False
    ) -> None:
        """Store a file."""
        attributes = {"Content-Type": content_type}
        await object_store.put(self._store, checked(key), content, if_absent=if_absent, attributes=attributes)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> FileContent:
        """Return a file or a range of it."""
        found = await object_store.get(self._store, checked(key), start, end)
        content_type = found.attributes.get("Content-Type", UNKNOWN_TYPE)
        return FileContent(info_of(found.meta), content_type, object_store.chunks(found))

    async def head(self, key: str) -> FileInfo:
        """Return what is known of a file."""
        return await object_store.head(self._store, checked(key))

    def list(self, folder: str = "") -> AsyncIterator[FileInfo]:
        """Return the files of a folder."""
        return object_store.entries(self._store, folder and checked(folder))

    async def delete(self, key: str) -> None:
        """Delete a file."""
        await object_store.delete(self._store, checked(key))

    async def download_url(self, key: str, lifetime: timedelta) -> str:
        """Return an address that the store itself serves for so long (at most 7 days)."""
        return await obstore.sign_async(self._store, "GET", checked(key), lifetime)
