"""The stand-in for an object store: files in a folder, for a laptop."""

from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from pathlib import Path

from obstore.store import LocalStore

from adapters.files import object_store
from adapters.files.object_store import UNKNOWN_TYPE, checked, info_of
from application.ports import FileContent, FileInfo, NoSuchFile


class LocalFiles:
    """Implements `application.ports.Files` in a folder that only its owner can enter.

    A file system keeps no content types: each is in a small file of its own, which is stored after the content.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._content_folder = folder / "content"
        self._content = LocalStore(self._content_folder, mkdir=True)
        self._types = LocalStore(folder / "types", mkdir=True)

    async def put(
        self, key: str, content: bytes | AsyncIterable[bytes], *, content_type: str, if_absent: bool = False
    ) -> None:
        """Store a file."""
        await object_store.put(self._content, checked(key), content, if_absent=if_absent)
        await object_store.put(self._types, key, content_type.encode(), if_absent=False)

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> FileContent:
        """Return a file or a range of it."""
        found = await object_store.get(self._content, checked(key), start, end)
        return FileContent(info_of(found.meta), await self._type_of(key), object_store.chunks(found))

    async def head(self, key: str) -> FileInfo:
        """Return what is known of a file."""
        return await object_store.head(self._content, checked(key))

    def list(self, folder: str = "") -> AsyncIterator[FileInfo]:
        """Return the files of a folder."""
        return object_store.entries(self._content, folder and checked(folder))

    async def delete(self, key: str) -> None:
        """Delete a file."""
        await object_store.delete(self._content, checked(key))
        await object_store.delete(self._types, key)

    async def download_url(self, key: str, lifetime: timedelta) -> str:
        """Return the file's address on this machine, which does not expire."""
        return (self._content_folder / checked(key)).absolute().as_uri()

    async def _type_of(self, key: str) -> str:
        try:
            kept = await object_store.get(self._types, key, 0, None)
        except NoSuchFile:  # the file is being stored
            return UNKNOWN_TYPE
        return b"".join([chunk async for chunk in object_store.chunks(kept)]).decode()
