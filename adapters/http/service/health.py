"""Whether we are up, what else must be, and the public keys."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import APIRouter, Depends

from adapters.http.api.context import deps_of
from adapters.http.api.deps import Deps
from adapters.http.api.openapi import operation
from adapters.http.api.problems import Fault, NotReady
from adapters.http.api.responses import Answer, encode
from adapters.http.api.routing import ApiRoute

PATIENCE = 2.0

router = APIRouter(route_class=ApiRoute, tags=["service"])
House = Annotated[Deps, Depends(deps_of)]


@dataclass(frozen=True, slots=True)
class Liveness:
    """The process answers."""

    status: Literal["live"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """Requests can be served. `servers`: those we depend on, by name."""

    status: Literal["ready"]
    servers: dict[str, Literal["up", "down"]]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A JSON Web Key (RFC 7517, RFC 8037)."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """A set of JSON Web Keys."""

    keys: list[PublicKey]


KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS…", "kid": "3f9a2c1d", "use": "sig", "alg": "Ed25519"}


@router.get("/health/live", response_model=Liveness, **operation("It does.", example={"status": "live"}))
async def live() -> Answer:
    """Say whether the process answers."""
    return Answer(encode(Liveness("live")))


@router.get(
    "/health/ready",
    response_model=Readiness,
    **operation(
        "They can; what is down we can do without.",
        example={"status": "ready", "servers": {"database": "up", "redis": "up"}},
        fails=[503],
    ),
)
async def ready(house: House) -> Answer:
    """Say whether requests can be served: whether the servers that we depend on answer."""
    return Answer(encode(await check(house)))


@router.get(
    "/.well-known/jwks.json",
    response_model=PublicKeys,
    **operation("The keys.", example={"keys": [KEY]}),
)
async def jwks(house: House) -> Answer:
    """Give the public keys that access tokens are signed with (RFC 7517)."""
    return Answer(encode(house.tokens.jwks()), 200, [(b"cache-control", b"public, max-age=300")])


async def check(house: Deps) -> Readiness:
    """Ask every server, at once and for a bounded time.

    Raises:
        NotReady: one that we cannot do without does not answer.
    """
    answers = await asyncio.gather(*map(_answers, house.checks.values()))
    servers: dict[str, Literal["up", "down"]] = {
        name: "up" if up else "down" for name, up in zip(house.checks, answers, strict=True)
    }
    missing = [name for name in sorted(house.vital) if servers.get(name) == "down"]
    if missing:
        raise NotReady([Fault("server", f"/{name}", "down", f"The {name} does not answer.") for name in missing])
    return Readiness("ready", servers)


async def _answers(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await ask()
    except Exception:
        return False
    return True
