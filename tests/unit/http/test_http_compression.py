"""Compression over HTTP: what is compressed, for whom, under which tag; and the bytes themselves."""

import gzip
import zlib
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import StreamingResponse

from adapters.http.api.compression import (
    LOOP_BYTES,
    MAX_BUSY,
    MAX_PADDING,
    MIN_BYTES,
    Compressor,
    GzipStream,
    accepts_gzip,
    gzipped,
)
from adapters.http.api.responses import Answer
from application.content.document import DocumentView
from tests.support.given import NOW
from tests.support.http import HttpApi

ID = UUID(int=0xD0C)
LONG = "otters " * LOOP_BYTES
PATH = f"/v1/documents/{ID}"


class OneHeader:
    """A request with one `Accept-Encoding`."""

    def __init__(self, accepted: str | None = "gzip") -> None:
        self.accepted = accepted

    def header(self, name: bytes) -> str | None:
        return self.accepted if name == b"accept-encoding" else None


@pytest.mark.parametrize(
    ("accepted", "accepts"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5, *;q=0", True),
        ("*", True),
        ("*;q=0.1", True),
        ("deflate, br", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("*, gzip;q=0", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip, identity;q=0", True),
        ("gzip;q=rubbish", False),
        ("gzip;q=2", False),
        ("gzip ; q=1.0", True),
    ],
)
def test_weights_say_who_takes_gzip(accepted: str | None, accepts: bool) -> None:
    assert accepts_gzip(OneHeader(accepted)) == accepts


@given(st.binary(max_size=2_000))
def test_what_is_compressed_is_read_as_it_was(body: bytes) -> None:
    assert gzip.decompress(gzipped(body)) == body
    assert gzipped(body) == gzipped(body)


@given(st.lists(st.binary(min_size=1, max_size=200)))
def test_each_chunk_can_be_read_before_the_next_one(chunks: list[bytes]) -> None:
    file, reader = GzipStream(), zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        assert reader.decompress(file.add(chunk)) == chunk
    assert reader.decompress(file.end()) == b""
    assert reader.eof


def test_lengths_of_bodies_that_differ_in_a_word_differ_by_more_than_the_word() -> None:
    bodies = [b'{"title": "%04d", "secret": "4711"}' % number for number in range(200)]
    lengths = {len(gzipped(body)) for body in bodies}
    assert len(lengths) > MAX_PADDING / 2


def answer(size: int, media: bytes = b"application/json", status: int = 200) -> Answer:
    return Answer(b"x" * size, status, [(b"etag", b'"3"')], media)


def said(response: Answer) -> dict[bytes, bytes]:
    assert len(response.raw_headers) == len({name for name, _ in response.raw_headers})
    return dict(response.raw_headers)


@pytest.mark.parametrize("size", [MIN_BYTES, LOOP_BYTES, LOOP_BYTES + 1])
@pytest.mark.parametrize("media", [b"application/json", b"text/html; charset=utf-8"])
async def test_a_large_answer_is_compressed_under_a_tag_of_its_own(size: int, media: bytes) -> None:
    response = answer(size, media)
    await Compressor().apply(response, OneHeader())
    assert gzip.decompress(response.body) == b"x" * size
    assert said(response) == {
        b"etag": b'"3-gzip"',
        b"content-type": media,
        b"content-length": b"%d" % len(response.body),
        b"content-encoding": b"gzip",
        b"vary": b"Accept-Encoding",
    }


@pytest.mark.parametrize(
    "response",
    [
        answer(MIN_BYTES - 1),
        answer(9_000, status=404),
        answer(9_000, b"application/problem+json"),
        answer(9_000, b"text/javascript"),
        StreamingResponse(iter([b"data"]), media_type="text/event-stream"),
    ],
    ids=["small", "error", "problem", "script", "events"],
)
async def test_other_answers_stay_as_they_are(response: Answer | StreamingResponse) -> None:
    before = [*response.raw_headers]
    await Compressor().apply(response, OneHeader())
    assert response.raw_headers == before


async def test_a_client_that_takes_no_gzip_learns_that_others_get_another_answer() -> None:
    response = Answer(b"x" * 9_000, 200, [(b"etag", b'"3"'), (b"vary", b"accept")])
    await Compressor().apply(response, OneHeader("br"))
    assert (response.body, said(response)[b"etag"]) == (b"x" * 9_000, b'"3"')
    assert said(response)[b"vary"] == b"accept, Accept-Encoding"
    assert b"content-encoding" not in said(response)


async def test_a_busy_process_sends_large_answers_as_they_are() -> None:
    compressor = Compressor()
    compressor._busy = MAX_BUSY
    large, small = answer(LOOP_BYTES + 1), answer(LOOP_BYTES)
    await compressor.apply(large, OneHeader())
    await compressor.apply(small, OneHeader())
    assert (b"content-encoding" in said(large), b"content-encoding" in said(small)) == (False, True)
    assert (said(large)[b"etag"], said(large)[b"vary"]) == (b'"3"', b"Accept-Encoding")


async def test_lines_are_compressed_as_they_come() -> None:
    sent: list[int] = []

    async def lines() -> AsyncIterator[bytes]:
        for number in range(3):
            sent.append(number)
            yield b'{"number": %d}\n' % number

    response = StreamingResponse(lines(), media_type="application/jsonl")
    await Compressor().apply(response, OneHeader())
    reader, received = zlib.decompressobj(zlib.MAX_WBITS | 16), []
    async for chunk in response.body_iterator:
        assert isinstance(chunk, bytes)
        received.append((len(sent), reader.decompress(chunk)))
    assert received == [*((number + 1, b'{"number": %d}\n' % number) for number in range(3)), (3, b"")]
    assert reader.eof
    assert response.headers["content-encoding"] == "gzip"


@pytest.fixture
async def headers(api: HttpApi) -> dict[str, str]:
    """The headers of the owner of a long document."""
    user_id, headers = await api.account()
    api.rows.row = DocumentView(ID, "user", user_id, "Notes", LONG, "draft", 3, NOW, NOW, None, None)
    return headers | {"Accept-Encoding": "gzip"}


async def test_http_answers_a_long_document_compressed(api: HttpApi, headers: dict[str, str]) -> None:
    read = await api.client.get(PATH, headers=headers)
    assert (read.headers["content-encoding"], read.headers["etag"]) == ("gzip", '"3-gzip"')
    assert read.json()["content"] == LONG
    assert int(read.headers["content-length"]) < len(LONG) / 20
    plain = await api.client.get(PATH, headers=headers | {"Accept-Encoding": "identity"})
    assert ("content-encoding" in plain.headers, plain.headers["etag"]) == (False, '"3"')
    assert plain.headers["vary"] == read.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("known", "accepted", "status", "tag"),
    [
        ('"3-gzip"', "gzip", 304, '"3-gzip"'),
        ('W/"3-gzip", "2"', "gzip", 304, '"3-gzip"'),
        ('"3"', "gzip", 304, '"3"'),
        ('"3"', "identity", 304, '"3"'),
        ('"3-gzip"', "identity", 200, '"3"'),
        ('"2-gzip"', "gzip", 200, '"3-gzip"'),
    ],
)
async def test_http_sends_no_state_again_in_the_coding_that_a_client_has(
    api: HttpApi, headers: dict[str, str], known: str, accepted: str, status: int, tag: str
) -> None:
    asked = headers | {"If-None-Match": known, "Accept-Encoding": accepted}
    read = await api.client.get(PATH, headers=asked)
    assert (read.status_code, read.headers["etag"]) == (status, tag)


@pytest.mark.parametrize(("match", "status"), [('"1-gzip"', 200), ('"1"', 200), ('"2-gzip"', 412), ('W/"1-gzip"', 412)])
async def test_http_writes_on_the_tag_of_a_compressed_answer(api: HttpApi, match: str, status: int) -> None:
    _, headers = await api.account()
    made = await api.client.post("/v1/documents", json={"title": "Notes", "content": LONG}, headers=headers)
    path = made.headers["location"]
    written = await api.client.patch(
        path,
        json={"title": "Other"},
        headers=headers
        | {"If-Match": match, "Content-Type": "application/merge-patch+json", "Accept-Encoding": "gzip"},
    )
    assert written.status_code == status
    assert "content-encoding" not in written.headers
    assert "content-encoding" not in made.headers


async def test_http_answers_head_as_get(api: HttpApi, headers: dict[str, str]) -> None:
    read, head = [await api.client.request(method, PATH, headers=headers) for method in ("GET", "HEAD")]
    for name in ("content-encoding", "content-length", "etag", "vary"):
        assert head.headers[name] == read.headers[name]


async def test_http_compresses_the_description_of_the_api(api: HttpApi) -> None:
    read = await api.client.get("/v1/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert read.headers["content-encoding"] == "gzip"
    assert read.json()["openapi"].startswith("3.1")
