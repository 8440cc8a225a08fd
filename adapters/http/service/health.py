"""HTTP for liveness, readiness and the public keys."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from adapters.http.api.context import Dependencies
from adapters.http.api.deps import Deps
from adapters.http.api.openapi import operation
from adapters.http.api.problems import Fault, NotReady
from adapters.http.api.responses import PUBLIC, Answer, encode
from adapters.http.api.routers import Router, Tag

CHECK_TIMEOUT_SECONDS = 2.0

router = Router(tag=Tag("service", "Health checks and public keys."))


@dataclass(frozen=True, slots=True)
class Liveness:
    """The process responds."""

    status: Literal["live"]


@dataclass(frozen=True, slots=True)
class Readiness:
    """The service can handle requests. `servers`: the state of each server that it depends on, by name."""

    status: Literal["ready"]
    servers: Annotated[dict[str, Literal["up", "down"]], Field(examples=[{"database": "up", "redis": "up"}])]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A JSON Web Key (RFC 7517, RFC 8037)."""

    kty: Annotated[str, Field(examples=["OKP"])]
    crv: Annotated[str, Field(examples=["Ed25519"])]
    x: Annotated[str, Field(examples=["11qYAYKxCrfVS…"])]
    kid: Annotated[str, Field(examples=["3f9a2c1d"])]
    use: Annotated[str, Field(examples=["sig"])]
    alg: Annotated[str, Field(examples=["Ed25519"])]


@dataclass(frozen=True, slots=True)
class PublicKeys:
    """A set of JSON Web Keys."""

    keys: list[PublicKey]


@router.get("/health/live", response_model=Liveness, **operation("The process responds.", limits=()))
async def live() -> Answer:
    """Check whether the process responds."""
    return Answer(encode(Liveness("live")))


@router.get(
    "/health/ready",
    response_model=Readiness,
    **operation(
        "The service can handle requests; it can do so without the servers that are down.",
        fails=[503],
        limits=(),
    ),
)
async def ready(deps: Dependencies) -> Answer:
    """Check whether the service can handle requests. Asks each server that it depends on."""
    return Answer(encode(await check(deps)))


@router.get(
    "/.well-known/jwks.json",
    response_model=PublicKeys,
    **operation("The public keys."),
)
async def jwks(deps: Dependencies) -> Answer:
    """Get the public keys that verify access tokens (RFC 7517)."""
    return Answer(encode(deps.tokens.jwks()), 200, [PUBLIC])


async def check(deps: Deps) -> Readiness:
    """Check all servers concurrently, each for at most `CHECK_TIMEOUT_SECONDS`.

    Raises:
        NotReady: a vital server does not answer.
    """
    answers = await asyncio.gather(*map(_answers, deps.checks.values()))
    servers: dict[str, Literal["up", "down"]] = {
        name: "up" if up else "down" for name, up in zip(deps.checks, answers, strict=True)
    }
    missing = [name for name in sorted(deps.vital) if servers.get(name) == "down"]
    if missing:
        raise NotReady([Fault("server", f"/{name}", "down", f"The {name} does not answer.") for name in missing])
    return Readiness("ready", servers)


async def _answers(ask: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_SECONDS):
            await ask()
    except Exception:
        return False
    return True
