"""An S3 server for tests: moto, in a thread of this process."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection

from moto.server import ThreadedMotoServer

from adapters.files.s3_bucket import S3Bucket

HOST = "127.0.0.1"
ACCESS_KEY, SECRET_KEY = "tests", "secret-of-the-tests"
SIGNED = (
    f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none"
)
"""The head of a signed request. The server looks only for its form."""


@contextmanager
def s3_server() -> Iterator[str]:
    """A server for a while. Yields its address."""
    server = ThreadedMotoServer(HOST, 0, verbose=False)
    server.start()
    try:
        yield f"http://{HOST}:{server.get_host_and_port()[1]}"
    finally:
        server.stop()


def fresh_bucket(endpoint: str) -> S3Bucket:
    """A new bucket, of which our files take a folder."""
    name = f"tests-{secrets.token_hex(8)}"
    connection = HTTPConnection(endpoint.removeprefix("http://"))
    connection.request("PUT", f"/{name}", headers={"Authorization": SIGNED})
    assert connection.getresponse().status == 200
    connection.close()
    return S3Bucket(name, "palimpsest", endpoint, "us-east-1", ACCESS_KEY, SECRET_KEY)
