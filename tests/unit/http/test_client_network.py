"""Behind the HTTP edge the network of the client is known wherever something is shared."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2
import pytest

from adapters.client_network import MAX_KNOWN_ADDRESSES, client_network, network_of, range_of
from adapters.http.api.body_budget import BodyBudget
from adapters.realtime.hub import EventHub
from application.commands import Command, CommandResult
from application.ports import Client, CommandContext
from tests.support.http import HttpApi, SwiftPasswords, open_http_api
from tests.support.sse import STREAM

LOGIN = {"email": "ada@example.org", "password": "x"}
CLIENT = ("192.0.2.7", 1)


@asynccontextmanager
async def connected(api: HttpApi, client: tuple[str, int] | None = CLIENT) -> AsyncIterator[httpx2.AsyncClient]:
    """Requests that come from this address."""
    transport = httpx2.ASGITransport(api.app, client=client)  # type: ignore[arg-type]
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as requests:
        yield requests


@pytest.mark.parametrize(
    ("client", "network"),
    [(("192.0.2.7", 1), "192.0.2.7"), (("2001:db8:1:2:3::5", 1), "2001:db8:1:2::"), (None, "")],
    ids=["IPv4", "IPv6", "unknown"],
)
async def test_passwords_are_checked_in_the_name_of_the_clients_network(
    client: tuple[str, int] | None, network: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = []

    async def verify(self: object, password: str, hashed: str | None) -> bool:
        networks.append(client_network.get())
        return False

    monkeypatch.setattr(SwiftPasswords, "verify", verify)
    client_network.set("of an earlier request")
    async with open_http_api() as api, connected(api, client) as requests:
        assert (await requests.post("/v1/auth/login", json=LOGIN)).status_code == 401
    assert networks == [network]


@pytest.mark.parametrize(
    ("headers", "user_agent"), [({"User-Agent": "curl/8"}, "curl/8"), ({}, "")], ids=["named", "not named"]
)
async def test_handlers_get_the_address_and_the_program_of_the_client(headers: dict[str, str], user_agent: str) -> None:
    sent: list[CommandContext] = []

    async def send(command: Command[Any], context: CommandContext) -> CommandResult[Any]:
        sent.append(context)
        return CommandResult(None, None)

    async with open_http_api(send=send) as api, connected(api) as requests:
        del requests.headers["User-Agent"]
        await requests.post("/v1/auth/verify", json={"token": "x"}, headers=headers)
    assert [context.client for context in sent] == [Client("192.0.2.7", user_agent, "192.0.2.7")]


async def test_large_bodies_wait_for_room_in_the_name_of_the_clients_network() -> None:
    networks = []

    class Noting(BodyBudget):
        @asynccontextmanager
        async def room(self, network: str, size: int) -> AsyncIterator[None]:
            networks.append((network, size))
            yield

    async with open_http_api(bodies=Noting()) as api, connected(api) as requests:
        _, token = await api.account()
        body = b'{"title": "Large", "content": "' + b"x" * 20_000 + b'"}'
        headers = {**token, "Content-Type": "application/json"}
        assert (await requests.post("/v1/documents", content=body, headers=headers)).status_code == 201
    assert networks == [("192.0.2.7", len(body) - 16_384)]


async def test_event_streams_are_opened_and_read_in_the_name_of_the_clients_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    networks = []

    @asynccontextmanager
    async def subscribed(self: EventHub, user_id: UUID, network: str) -> AsyncIterator[None]:
        networks.append(network)
        yield

    async def head(*_: Any) -> None:
        networks.append(client_network.get())

    monkeypatch.setattr(EventHub, "subscribed", subscribed)
    monkeypatch.setattr(EventHub, "head", head)
    async with open_http_api() as api, connected(api) as requests:
        _, token = await api.account()
        assert (await requests.get(STREAM, headers=token)).status_code == 200
    assert networks == ["192.0.2.7", "192.0.2.7"]


@pytest.mark.parametrize(("known", "name"), [(network_of, "2001:db8:{:x}::1"), (range_of, "2001:db8:{:x}::")])
def test_no_more_addresses_are_remembered_than_their_limit(known: Any, name: str) -> None:
    known.cache_clear()
    for number in range(MAX_KNOWN_ADDRESSES + 10):
        known(name.format(number))
    assert known.cache_info().currsize == MAX_KNOWN_ADDRESSES
    known.cache_clear()


def test_a_remembered_address_has_the_network_and_the_range_that_it_had() -> None:
    for _ in range(2):
        assert (network_of("2001:db8:1:2:3::5"), network_of("192.0.2.7"), network_of("river")) == (
            "2001:db8:1:2::",
            "192.0.2.7",
            "",
        )
        assert (range_of("2001:db8:1:2::"), range_of("192.0.2.7"), range_of("")) == (
            "2001:db8:1::/48",
            "192.0.2.0/24",
            "",
        )
