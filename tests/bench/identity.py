"""Identity: writing and reading documents with all checks of the caller, and with none.

The peer is our own API in which each token is believed, no session is looked up, and no limit is charged. Run as a
module: that API.
"""

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from unittest.mock import patch
from uuid import UUID

import msgspec

from adapters.http.api.context import Identity, RequestContext
from adapters.http.api.limits import LimitName
from application.ports import Actor
from infra.bootstrap import api
from infra.settings.model import Settings
from infra.telemetry.logs import configure_logging
from tests.bench import processes
from tests.bench.clients import Job, run
from tests.bench.harness import Bench, Row, against
from tests.bench.http import CLIENTS, DOCUMENTS, UNIT, Requests, Services, open_services, reads, writes
from tests.support.servers import open_folder

LEFT = 0.85
"""The least share of the speed without checks that is left with them."""


class Claims(msgspec.Struct):
    """What a token says of itself."""

    sub: str
    sid: str
    exp: float
    scope: str


def rows(bench: Bench) -> Iterator[Row]:
    """POST and GET with 64 clients. Both sides have one Redis: the projector keeps the cache of no other up to date."""
    with (
        open_folder() as folder,
        open_services(bench, folder) as services,
        processes.api(services.database, folder, services.redis_url, __name__) as unchecked,
    ):
        ports = (services.port, unchecked.port)
        yield _compared(bench, f"POST {DOCUMENTS}", partial(_write, services, bench.seconds(3)), ports)
        _, requests = reads(services, CLIENTS)
        yield _compared(bench, f"GET {DOCUMENTS}/{{id}}", partial(_read, requests, bench.seconds(3)), ports)


def _compared(bench: Bench, name: str, measure: Callable[[int], float], ports: tuple[int, int]) -> Row:
    """One operation by our API and by the peer."""
    rates, peer_rates = bench.in_turns(*[partial(measure, port) for port in ports])
    return against(f"{name} (peer: without checks of the caller)", UNIT, rates, peer_rates, LEFT)


def _write(services: Services, seconds: float, port: int) -> float:
    result = run(Job(port, writes(services, CLIENTS, seconds), seconds, once=True))
    assert result.failures == 0
    # What the projector has left to do must not burden the other side.
    processes.wait_for_projector(services.database)
    return result.rate


def _read(requests: Requests, seconds: float, port: int) -> float:
    result = run(Job(port, requests, seconds))
    assert result.failures == 0
    return result.rate


@cache
def _identity(token: str) -> Identity:
    payload = token.split(".")[1]
    claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=Claims)
    scopes = frozenset(claims.scope.split())
    return Identity(Actor(UUID(claims.sub)), UUID(claims.sid), "bearer", claims.sub, scopes, claims.exp)


async def believe(context: RequestContext, scope: str, *, changes: bool) -> None:
    """Stand in for `RequestContext.authenticate`."""
    context.identity = _identity((context.header(b"authorization") or "").partition(" ")[2])


async def charge_nothing(context: RequestContext, limits: Sequence[LimitName], cost: int = 1) -> None:
    """Stand in for `RequestContext.charge`."""


if __name__ == "__main__":
    configure_logging("INFO", "json")
    with (
        patch.object(RequestContext, "authenticate", believe),
        patch.object(RequestContext, "charge", charge_nothing),
    ):
        api.run(Settings.from_variables(os.environ))
