"""HTTP for challenges: work that spares an attempt to log in its wait."""

from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query
from pydantic import Field

from adapters.client_network import client_network
from adapters.http.api.context import Dependencies
from adapters.http.api.openapi import operation
from adapters.http.api.responses import Answer, encode
from adapters.http.api.routers import Router
from adapters.http.api.schemas import QueryParameters
from application.ports import MAX_WORK, ChallengePurpose

router = Router("/v1/auth/challenge", tag="accounts")


class ChallengeQuery(QueryParameters):
    """What the solution is for, and the work: the value of `Challenge-Work`. Each step takes twice as long."""

    purpose: ChallengePurpose = "sign-in"
    work: Annotated[int, Field(ge=0, le=MAX_WORK)] = 0


@dataclass(frozen=True, slots=True)
class WorkParameters:
    """What to solve: a `counter` for which PBKDF2 (RFC 8018) yields a key that begins with `keyPrefix` (hexadecimal).

    Its password is the bytes of `nonce`, followed by the counter as 4 bytes, the highest first; `cost` iterations over
    `salt`. The solution must come before `expiresAt`, in seconds since 1970.
    """

    algorithm: Literal["PBKDF2/SHA-256"]
    cost: Annotated[int, Field(examples=[5000])]
    expiresAt: Annotated[int, Field(examples=[1795349400])]
    keyLength: Annotated[int, Field(examples=[32])]
    keyPrefix: Annotated[str, Field(examples=["00"])]
    nonce: Annotated[str, Field(examples=["90f082dc16875b0243799640d0451ddf"])]
    salt: Annotated[str, Field(examples=["ca9b3b6e61b09bee23bd750c63c59c17"])]


@dataclass(frozen=True, slots=True)
class WorkChallenge:
    """A challenge of ALTCHA, version 2. Its solution: base64 of `{"challenge": …, "solution": {"counter": …}}`."""

    parameters: WorkParameters
    signature: Annotated[str, Field(examples=["3aea08cba490704ed49b11dbd18bc6deedcdce5ae06b3754d283732c6c82979f"])]


@router.get("", response_model=WorkChallenge, **operation("A challenge."))
async def get_challenge(query: Annotated[ChallengeQuery, Query()], deps: Dependencies) -> Answer:
    """Get a challenge. Its solution, sent as `Challenge-Solution`, spares an attempt to log in the wait.

    It is for clients of the same network, within 10 minutes, and counts once. A 429
    response to a login says in `Challenge-Work` which `work` to ask for; it grows with the failed attempts for the
    address.
    """
    return Answer(encode(deps.challenges.issue(query.purpose, client_network.get(), query.work)))
