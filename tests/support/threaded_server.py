"""Servers of HTTP on this machine in threads, each with a handler of its test."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

from tests.support.certificates import HOST


class QuietHandler(BaseHTTPRequestHandler):
    """Prints nothing about requests, and may end a connection without an answer."""

    def log_message(self, *_: Any) -> None:
        """Print nothing."""

    def cut(self) -> None:
        """End the connection."""
        self.close_connection = True
        self.connection.close()


@contextmanager
def serving(handler: type[QuietHandler], over: Event, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve meanwhile, and answer the address. `over` is set at the end: for handlers that wait."""
    server = ThreadingHTTPServer((HOST, 0), handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://{HOST}:{server.server_address[1]}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
