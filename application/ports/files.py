"""Port to files: pictures, exports and other content that is too large for events."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain.kernel import Conflict, Invalid, NotFound


class NoSuchFile(NotFound):
    """There is no file under this key."""


class FileExists(Conflict):
    """There is a file under this key already."""


class RangeOutsideFile(Invalid):
    """The wanted range begins behind the end of the file."""


@dataclass(frozen=True, slots=True)
class FileInfo:
    """A file. `size` in bytes."""

    key: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class FileContent:
    """A file, or a range of it. `info` is of the whole file."""

    info: FileInfo
    content_type: str
    chunks: AsyncIterator[bytes]


class Files(Protocol):
    """Keeps files under keys such as `avatars/7eafb4ad.png`: parts of `a-z A-Z 0-9 . _ -`, with / between them.

    A part begins with a letter or a digit. A file appears at once and complete, or not at all. A file is no place for
    secrets of ours; personal data in it is in clear, so what stores it must delete it when its person is erased.

    Every method raises:
        ValueError: the text is no key.
        Unavailable: the store of files does not answer.
    """

    async def put(
        self, key: str, content: bytes | AsyncIterable[bytes], *, content_type: str, if_absent: bool = False
    ) -> None:
        """Store a file in place of the one that was there. With `if_absent` the whole file is held in memory.

        Raises:
            FileExists: there is a file, and `if_absent` is set.
        """

    async def get(self, key: str, *, start: int = 0, end: int | None = None) -> FileContent:
        """Return a file, or its bytes from `start` up to, not including, `end`.

        Raises:
            NoSuchFile: there is none.
            RangeOutsideFile: it has no byte at `start`, which is not 0.
        """

    async def head(self, key: str) -> FileInfo:
        """Return what is known of a file.

        Raises:
            NoSuchFile: there is none.
        """

    def list(self, folder: str = "") -> AsyncIterator[FileInfo]:
        """Return the files whose keys begin with `folder/`, in no particular order; without a folder all files."""

    async def delete(self, key: str) -> None:
        """Delete a file. Without one, nothing happens."""

    async def download_url(self, key: str, lifetime: timedelta) -> str:
        """Return an address at which anybody can read the file, for so long. It is not checked whether there is one."""
