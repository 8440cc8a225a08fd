"""Every adapter of files keeps the port's promise: a folder, and a foreign server that speaks S3's protocol."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from stat import S_IMODE
from urllib.parse import parse_qs, urlsplit
from urllib.request import urlopen

import pytest

from adapters.files import s3_files
from adapters.files.local_files import LocalFiles
from adapters.files.s3_files import S3Files
from application.ports import FileExists, Files, NoSuchFile, RangeOutsideFile, Unavailable
from tests.support.s3 import fresh_bucket, s3_server

KEY = "avatars/7eafb4ad.png"
PNG = "image/png"
LARGE = 12_000_000
"""More than two parts of an upload."""


@pytest.fixture(scope="session")
def endpoint() -> Iterator[str]:
    with s3_server() as address:
        yield address


@pytest.fixture(params=["local", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "local":
        return LocalFiles(tmp_path / "files")
    return S3Files(fresh_bucket(request.getfixturevalue("endpoint")))


async def content(files: Files, key: str = KEY, start: int = 0, end: int | None = None) -> bytes:
    found = await files.get(key, start=start, end=end)
    return b"".join([chunk async for chunk in found.chunks])


async def keys(files: Files, folder: str = "") -> set[str]:
    return {info.key async for info in files.list(folder)}


async def pieces(size: int, error: Exception | None = None) -> AsyncIterator[bytes]:
    """Content that comes in pieces of a million bytes, and may end in an error."""
    while size > 0:
        yield b"x" * min(size, 1_000_000)
        size -= 1_000_000
    if error is not None:
        raise error


async def test_a_file_is_read_as_it_was_stored(files: Files) -> None:
    await files.put(KEY, b"picture", content_type=PNG)
    found = await files.get(KEY)
    assert b"".join([chunk async for chunk in found.chunks]) == b"picture"
    assert (found.content_type, found.info.key, found.info.size) == (PNG, KEY, 7)
    assert abs(found.info.modified_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert await files.head(KEY) == found.info


@pytest.mark.parametrize("size", [0, 1, LARGE])
async def test_content_may_come_in_pieces(files: Files, size: int) -> None:
    await files.put(KEY, pieces(size), content_type=PNG)
    assert len(await content(files)) == size


async def test_a_later_file_replaces_an_earlier_one(files: Files) -> None:
    await files.put(KEY, b"first", content_type="text/plain")
    await files.put(KEY, b"second", content_type=PNG)
    assert await content(files) == b"second"
    assert (await files.get(KEY)).content_type == PNG


async def test_a_file_that_must_not_be_there_replaces_none(files: Files) -> None:
    await files.put(KEY, b"first", content_type=PNG, if_absent=True)
    for later in (b"second", pieces(10)):
        with pytest.raises(FileExists):
            await files.put(KEY, later, content_type="text/plain", if_absent=True)
    assert await content(files) == b"first"
    assert (await files.get(KEY)).content_type == PNG


async def test_of_rivals_one_stores_the_file(files: Files) -> None:
    rivals = (files.put(KEY, b"%d" % n, content_type=PNG, if_absent=True) for n in range(8))
    outcomes = await asyncio.gather(*rivals, return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert await content(files) == b"%d" % outcomes.index(None)


@pytest.mark.parametrize("error", [ValueError("the end is missing"), ConnectionResetError("the client is gone")])
@pytest.mark.parametrize("size", [10, LARGE])
async def test_content_that_ends_in_an_error_leaves_what_was_there(files: Files, size: int, error: Exception) -> None:
    await files.put(KEY, b"first", content_type=PNG)
    with pytest.raises(type(error)):
        await files.put(KEY, pieces(size, error), content_type=PNG)
    assert await content(files) == b"first"
    assert await keys(files) == {KEY}


@pytest.mark.parametrize(
    ("start", "end", "wanted"),
    [(0, None, b"0123456789"), (0, 4, b"0123"), (3, 5, b"34"), (7, None, b"789"), (8, 100, b"89")],
)
async def test_a_range_of_a_file(files: Files, start: int, end: int | None, wanted: bytes) -> None:
    await files.put(KEY, b"0123456789", content_type=PNG)
    assert await content(files, KEY, start, end) == wanted
    assert (await files.get(KEY, start=start, end=end)).info.size == 10


@pytest.mark.parametrize(("start", "end"), [(10, None), (10, 12), (99, 100)])
async def test_a_range_behind_the_end_is_refused(files: Files, start: int, end: int | None) -> None:
    await files.put(KEY, b"0123456789", content_type=PNG)
    with pytest.raises(RangeOutsideFile):
        await files.get(KEY, start=start, end=end)


async def test_what_is_not_there_is_said(files: Files) -> None:
    with pytest.raises(NoSuchFile):
        await files.get(KEY)
    with pytest.raises(NoSuchFile):
        await files.get(KEY, start=3)
    with pytest.raises(NoSuchFile):
        await files.head(KEY)


async def test_a_deleted_file_is_gone_and_a_second_deletion_does_nothing(files: Files) -> None:
    await files.put(KEY, b"picture", content_type=PNG)
    for _ in range(2):
        await files.delete(KEY)
    with pytest.raises(NoSuchFile):
        await files.head(KEY)
    await files.put(KEY, b"again", content_type=PNG, if_absent=True)


async def test_a_folder_lists_its_files_and_those_below_it(files: Files) -> None:
    names = {"exports/a.json", "exports/2026/b.json", "exports2/c.json", "d.json"}
    for name in names:
        await files.put(name, b"{}", content_type="application/json")
    assert await keys(files, "exports") == {"exports/a.json", "exports/2026/b.json"}
    assert await keys(files) == names
    assert await keys(files, "nothing") == set()


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../secret", "a/../b", "a//b", "a/", ".hidden", "a/.b", "a b", "é", "a\0", "x" * 513]
)
async def test_what_is_no_key_is_refused_by_every_method(files: Files, key: str) -> None:
    for call in (
        files.put(key, b"", content_type=PNG),
        files.get(key),
        files.head(key),
        files.delete(key),
        files.download_url(key, timedelta(minutes=5)),
    ):
        with pytest.raises(ValueError, match="not the key of a file"):
            await call
    if key:
        with pytest.raises(ValueError, match="not the key of a file"):
            await keys(files, key)


async def test_a_file_is_downloaded_from_its_address(files: Files) -> None:
    await files.put(KEY, b"picture", content_type=PNG)
    address = await files.download_url(KEY, timedelta(minutes=5))
    with await asyncio.to_thread(urlopen, address) as answer:
        assert (answer.read(), answer.headers["Content-Type"]) == (b"picture", PNG)


async def test_an_address_of_s3_ends_by_itself_and_shows_no_secret(endpoint: str) -> None:
    bucket = fresh_bucket(endpoint)
    address = await S3Files(bucket).download_url(KEY, timedelta(minutes=5))
    assert parse_qs(urlsplit(address).query)["X-Amz-Expires"] == ["300"]
    assert str(bucket.secret_key) not in address + repr(bucket)


def test_the_folder_is_private(tmp_path: Path) -> None:
    LocalFiles(tmp_path / "files")
    assert S_IMODE((tmp_path / "files").stat().st_mode) == 0o700


async def test_a_store_that_does_not_answer_is_an_outage(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_files, "MAX_RETRIES", 0)
    nowhere = S3Files(replace(fresh_bucket(endpoint), endpoint="http://127.0.0.1:1"))
    for call in (nowhere.put(KEY, b"", content_type=PNG), nowhere.get(KEY), nowhere.head(KEY), nowhere.delete(KEY)):
        with pytest.raises(Unavailable) as caught:
            await call
        assert "127.0.0.1" not in str(caught.value)
    with pytest.raises(Unavailable):
        await keys(nowhere)


async def test_a_missing_bucket_is_an_outage(endpoint: str) -> None:
    missing = S3Files(replace(fresh_bucket(endpoint), name="missing"))
    with pytest.raises(Unavailable):
        await missing.put(KEY, b"", content_type=PNG)
