"""Behind proxies that are named as trusted, the client is whom the last of them received the request from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from adapters.client_network import network_of
from infra.bootstrap import api
from infra.http_server.server import server_config

PROXY, OTHER_PROXY = "10.1.2.3", "2001:db8:ffff::7"
TRUSTED = ["10.1.0.0/16", "2001:db8:ffff::/48"]
CLIENT, FORGED = "203.0.113.9", "198.51.100.66"


async def client_of(peer: str, *forwarded: str, trusted: list[str] | None = None) -> str:
    """The network of the client of a request from this peer, with these lines of X-Forwarded-For."""
    seen = []

    async def app(scope: dict[str, Any], *_: Any) -> None:
        seen.append(network_of(scope["client"][0]))

    config = server_config(app, trusted_proxies=TRUSTED if trusted is None else trusted)
    config.load()
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    await config.loaded_app({"type": "http", "client": (peer, 1), "scheme": "http", "headers": headers}, None, None)
    return seen[0]


async def test_a_trusted_proxy_names_the_client() -> None:
    assert await client_of(PROXY, CLIENT) == CLIENT


async def test_without_trusted_proxies_the_client_is_the_peer() -> None:
    assert await client_of(PROXY, CLIENT, trusted=[]) == PROXY
    assert await client_of("127.0.0.1", CLIENT, trusted=[]) == "127.0.0.1"


async def test_a_client_that_names_itself_is_not_believed() -> None:
    assert await client_of(FORGED, CLIENT) == FORGED


@pytest.mark.parametrize(
    "lines",
    [
        (f"{FORGED}, {CLIENT}",),
        (f"{PROXY}, {FORGED}, {CLIENT}",),
        (FORGED, CLIENT),
        (f"{FORGED}, {CLIENT}, 10.1.9.9",),
        (f"{FORGED}, {CLIENT}", OTHER_PROXY),
        (f"unknown, {CLIENT}:4711",),
        (f"  {CLIENT}  ",),
    ],
    ids=["a list", "a trusted address", "two lines", "two proxies", "a proxy's line", "a port", "spaces"],
)
async def test_what_a_client_sends_along_is_not_believed(lines: tuple[str, ...]) -> None:
    """Each proxy appends the address that it was reached from: the last one that is no proxy's is the client's."""
    assert await client_of(PROXY, *lines) == CLIENT


@pytest.mark.parametrize("lines", [(), ("",), (" , ",)])
async def test_a_proxy_that_names_no_client_is_the_client_itself(lines: tuple[str, ...]) -> None:
    assert await client_of(PROXY, *lines) == PROXY


@pytest.mark.parametrize("text", ["unknown", "_hidden", "1.2.3", "a:b:c", "[::1", "203.0.113.9\x00", "é"])
async def test_clients_that_are_named_by_no_address_share_one_network(text: str) -> None:
    assert await client_of(PROXY, text) == ""


async def test_a_client_of_a_proxy_has_a_network_of_ipv6() -> None:
    assert await client_of(OTHER_PROXY, "2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::"
    assert await client_of(PROXY, f"::ffff:{CLIENT}") == CLIENT


async def test_a_proxy_with_ipv4_is_known_on_a_socket_for_both_versions_too() -> None:
    assert await client_of(f"::ffff:{PROXY}", CLIENT) == CLIENT
    assert await client_of(f"::ffff:{FORGED}", CLIENT) == FORGED


async def test_the_variable_of_uvicorn_trusts_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    assert await client_of(FORGED, CLIENT) == FORGED
    assert await client_of(FORGED, CLIENT, trusted=[]) == FORGED


async def test_the_api_trusts_the_proxies_of_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    served = []

    async def serve(*_: Any, **options: Any) -> None:
        served.append(options)

    @asynccontextmanager
    async def open_deps(_: Any) -> AsyncIterator[Any]:
        yield SimpleNamespace(cors_origins=(), https=False, live=SimpleNamespace(close=None))

    for name, stand_in in {"serve": serve, "open_deps": open_deps, "collect_rarely": lambda: None}.items():
        monkeypatch.setattr(api, name, stand_in)
    http: Any = SimpleNamespace(host="127.0.0.1", port=1, trusted_proxies=TRUSTED)
    await api._serve(SimpleNamespace(http=http))  # type: ignore[arg-type]
    assert [options["trusted_proxies"] for options in served] == [TRUSTED]
