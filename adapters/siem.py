"""A SIEM that takes lines of JSON by HTTPS. The body is signed, so that its receiver knows who sends it.

`Palimpsest-Signature: t=TIME,v1=HEX`: HMAC-SHA256 under the shared secret, over the time (seconds since 1970), a dot,
and the body. Redirects are not followed, and no more than the status of an answer is read.
"""

import asyncio
import hmac
import ssl
from pathlib import Path

import httpx2

from application.ports import Clock, NotDelivered

SECONDS = 10.0
"""The longest that a delivery takes, from the connection to the status."""


class HttpsSiem:
    """Implements `application.ports.Siem`. `cafile`: of the authorities to trust (PEM); None: those of the machine."""

    def __init__(self, url: str, secret: str, clock: Clock, cafile: Path | None = None) -> None:
        self._url = url
        self._secret = secret.encode()
        self._clock = clock
        trust = ssl.create_default_context(cafile=cafile)
        self._client = httpx2.AsyncClient(verify=trust, follow_redirects=False, trust_env=False, timeout=SECONDS)

    async def send(self, lines: bytes) -> None:
        """See `application.ports.Siem.send`."""
        time = str(int(self._clock().timestamp()))
        headers = {
            "Content-Type": "application/jsonl",
            "Palimpsest-Signature": f"t={time},v1={signature(self._secret, time, lines)}",
        }
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._client.stream("POST", self._url, content=lines, headers=headers) as answer,
            ):
                status = answer.status_code
        except TimeoutError:
            raise NotDelivered(f"no answer within {SECONDS:.0f} seconds") from None
        except httpx2.HTTPError as error:
            raise NotDelivered(type(error).__name__) from None
        if not 200 <= status < 300:
            raise NotDelivered(f"status {status}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def signature(secret: bytes, time: str, lines: bytes) -> str:
    """Return the signature of a body that is sent at a time."""
    return hmac.digest(secret, time.encode() + b"." + lines, "sha256").hex()
