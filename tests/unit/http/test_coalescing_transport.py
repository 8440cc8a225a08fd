"""The head of a response is sent with its body: never after it, and never lost."""

import asyncio
from typing import cast

import pytest

from infra.http_server.coalescing_transport import CoalescingTransport

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Wire:
    """A transport that keeps what is done with it."""

    def __init__(self) -> None:
        self.sent: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def write_eof(self) -> None:
        self.sent.append("eof")

    def close(self) -> None:
        self.sent.append("close")

    def is_closing(self) -> bool:
        return "close" in self.sent


@pytest.fixture
async def wire() -> Wire:
    return Wire()


def joining(wire: Wire) -> CoalescingTransport:
    return CoalescingTransport(cast(asyncio.Transport, wire))


async def test_head_and_body_are_one_write(wire: Wire) -> None:
    transport = joining(wire)
    transport.write(HEAD)
    transport.write(b"ok")
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + b"ok"]


async def test_a_head_whose_body_takes_its_time_goes_ahead(wire: Wire) -> None:
    transport = joining(wire)
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD]
    transport.write(b"ok")
    transport.write(b"more")
    assert wire.sent == [HEAD, b"ok", b"more"]


async def test_a_body_that_looks_like_a_head_is_still_the_body(wire: Wire) -> None:
    transport = joining(wire)
    transport.write(HEAD)
    transport.write(HEAD)
    await asyncio.sleep(0)
    assert wire.sent == [HEAD + HEAD]


async def test_nothing_overtakes_a_head(wire: Wire) -> None:
    transport = joining(wire)
    transport.write(HEAD)
    transport.writelines([b"o", b"k"])
    transport.write(HEAD)
    transport.write_eof()
    transport.write(HEAD)
    transport.close()
    assert wire.sent == [HEAD + b"ok", HEAD, "eof", HEAD, "close"]
    assert transport.is_closing()
