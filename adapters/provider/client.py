"""Clients of OpenAI's API, of OpenAI or of any server that speaks it. The import takes a second."""

from dataclasses import dataclass, field

import httpx2
from openai import AsyncOpenAI

from adapters.provider.bounded import bound

MAX_CONNECTIONS = 1_000
MAX_IDLE_CONNECTIONS = 100
WRITE_SECONDS = 30.0
"""The longest pause while a request is sent."""


@dataclass(frozen=True, slots=True)
class ProviderAccount:
    """Where the API is, and the key that pays. `url` ends before `/chat/completions`."""

    url: str
    key: str = field(repr=False)
    is_sandbox: bool = False


def open_client(account: ProviderAccount, connect: float, transport: httpx2.AsyncBaseTransport | None) -> AsyncOpenAI:
    """Return a client that repeats nothing and bounds responses. Callers limit the time of each request.

    `connect`: seconds to connect. `transport`: how requests travel; None: through the network.
    """
    http_client = httpx2.AsyncClient(
        transport=transport,
        timeout=httpx2.Timeout(None, connect=connect, pool=connect, write=WRITE_SECONDS),
        limits=httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=MAX_IDLE_CONNECTIONS),
        headers={"Accept-Encoding": "identity"},
        event_hooks={"response": [bound]},
    )
    return AsyncOpenAI(
        api_key=account.key,
        base_url=account.url,
        max_retries=0,
        timeout=http_client.timeout,
        http_client=http_client,
    )
