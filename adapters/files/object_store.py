"""Files in an object store, by obstore: what the adapters have in common."""

import re
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError

from application.ports import FileExists, FileInfo, NoSuchFile, RangeOutsideFile, Unavailable

if TYPE_CHECKING:
    from obstore import Attributes, GetOptions, GetResult, ObjectMeta
    from obstore.store import ObjectStore

MAX_KEY_LENGTH = 512
"""S3 allows 1,024 bytes, file systems 255 for each part."""

UNKNOWN_TYPE = "application/octet-stream"

_PART = r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}"
_KEY = re.compile(rf"{_PART}(?:/{_PART})*")


def checked(key: str) -> str:
    """Return the key.

    Raises:
        ValueError: it is none. So no key leaves the folder, and none means something to a file system.
    """
    if len(key) > MAX_KEY_LENGTH or not _KEY.fullmatch(key):
        raise ValueError("this is not the key of a file")
    return key


def info_of(meta: "ObjectMeta") -> FileInfo:
    """Return what is known of a file."""
    return FileInfo(meta["path"], meta["size"], meta["last_modified"])


class _Source:
    """Content as it comes, and the error with which it ended, if it did."""

    def __init__(self, content: AsyncIterable[bytes]) -> None:
        self._content = content
        self.error: OSError | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._content:
                yield chunk
        except OSError as error:
            self.error = error
            raise


async def put(
    store: "ObjectStore",
    key: str,
    content: bytes | AsyncIterable[bytes],
    *,
    if_absent: bool,
    attributes: "Attributes | None" = None,
) -> None:
    """Store a file. An error of the content's own iterator is passed on, and nothing is stored.

    Raises:
        FileExists, Unavailable: as the port says.
    """
    source = content if isinstance(content, bytes) else _Source(content)
    try:
        with _outages():
            await obstore.put_async(
                store, key, source, attributes=attributes, mode="create" if if_absent else "overwrite"
            )
    except (NoSuchFile, Unavailable):
        if isinstance(source, _Source) and source.error is not None:
            raise source.error from None
        raise Unavailable("The store of files") from None


async def get(store: "ObjectStore", key: str, start: int, end: int | None) -> "GetResult":
    """Return a file or a range of it.

    Raises:
        NoSuchFile, RangeOutsideFile, Unavailable: as the port says.
    """
    options: GetOptions = {}
    if end is not None:
        options = {"range": (start, end)}
    elif start:
        options = {"range": {"offset": start}}
    try:
        with _outages():
            return await obstore.get_async(store, key, options=options)
    except Unavailable:
        if options and start >= (await head(store, key)).size:
            raise RangeOutsideFile(f"The file has no byte {start}.") from None
        raise


async def head(store: "ObjectStore", key: str) -> FileInfo:
    """Return what is known of a file.

    Raises:
        NoSuchFile, Unavailable: as the port says.
    """
    with _outages():
        return info_of(await obstore.head_async(store, key))


async def chunks(result: "GetResult") -> AsyncIterator[bytes]:
    """Return the bytes of a file, as they come.

    Raises:
        Unavailable: the rest does not come.
    """
    with _outages():
        async for chunk in result.stream():
            yield bytes(chunk)


async def entries(store: "ObjectStore", folder: str) -> AsyncIterator[FileInfo]:
    """Return the files of a folder.

    Raises:
        Unavailable: as the port says.
    """
    with _outages():
        async for page in obstore.list(store, prefix=folder or None):
            for meta in page:
                yield info_of(meta)


async def delete(store: "ObjectStore", key: str) -> None:
    """Delete a file, if there is one.

    Raises:
        Unavailable: as the port says.
    """
    try:
        with _outages():
            await obstore.delete_async(store, key)
    except NoSuchFile:
        return


@contextmanager
def _outages() -> Iterator[None]:
    """Turn errors of the library into those of the port, without their texts, which quote addresses and answers."""
    try:
        yield
    except FileNotFoundError:
        raise NoSuchFile("There is no such file.") from None
    except AlreadyExistsError:
        raise FileExists("There is such a file already.") from None
    except (BaseError, OSError) as error:
        raise Unavailable(f"The store of files ({type(error).__name__})") from None
