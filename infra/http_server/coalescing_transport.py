"""A transport that sends the head of a response together with its body: one packet and one system call, not two."""

import asyncio
from collections.abc import Iterable
from typing import Any

HEAD = b"HTTP/1.1 "
"""The first bytes of a response's head."""


class CoalescingTransport:
    """Wraps a transport: a head waits for the next write of the same event-loop iteration."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._head: bytes | None = None

    def write(self, data: bytes) -> None:
        """Send `data` after the waiting head, if there is one; hold `data` back if it is a head."""
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head + data)
        elif data.startswith(HEAD):
            self._head = data
            self._loop.call_soon(self._send_head)
        else:
            self._transport.write(data)

    def writelines(self, parts: Iterable[bytes]) -> None:
        """Send several parts as one write."""
        self.write(b"".join(parts))

    def write_eof(self) -> None:
        """Send a waiting head, then close the sending side."""
        self._send_head()
        self._transport.write_eof()

    def close(self) -> None:
        """Send a waiting head, then close."""
        self._send_head()
        self._transport.close()

    def _send_head(self) -> None:
        if self._head is not None:
            head, self._head = self._head, None
            self._transport.write(head)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)
