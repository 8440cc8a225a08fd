"""Challenges as proofs of work, in the form of ALTCHA (version 2): its widgets for browsers solve them.

A client looks for a counter for which PBKDF2 (RFC 8018) of nonce and counter begins with a prefix: on average for one
of 256. More work is more iterations. Challenges are not stored: a MAC (HMAC-SHA-256) shows that one is ours, for this
purpose and network. A nonce is remembered once its solution has come, until the challenge would have expired.
"""

import asyncio
import hashlib
import hmac
import secrets
from base64 import b64decode
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec

from adapters.derived_keys import derived_key
from application.ports import Bucket, ChallengePurpose, Clock, Limits, Quota

LIFETIME_SECONDS = 600
MAX_SOLUTION_LENGTH = 4096
NONCE_BYTES = 16
KEY_BYTES = 32
PREFIX = "00"
ALGORITHM = "PBKDF2/SHA-256"

ONCE = Quota("challenge", 1, LIFETIME_SECONDS, 1)


class _Parameters(msgspec.Struct, rename="camel"):
    """What a client needs to solve a challenge. `cost`: iterations of PBKDF2; `expires_at`: seconds since 1970."""

    algorithm: str
    cost: int
    expires_at: int
    key_length: int
    key_prefix: str
    nonce: str
    salt: str


class _Challenge(msgspec.Struct):
    parameters: _Parameters
    signature: str


class _Answer(msgspec.Struct):
    counter: Annotated[int, msgspec.Meta(ge=0, lt=2**32)]


class _Solution(msgspec.Struct):
    """What a client sends. Other members, such as the time that it took, are ignored."""

    challenge: _Challenge
    solution: _Answer


SOLUTIONS = msgspec.json.Decoder(_Solution)


class ProofOfWork:
    """Implements `application.ports.Challenges`. The first of `keys` signs; all of them are accepted."""

    def __init__(self, keys: Sequence[bytes], *, limits: Limits, clock: Clock, cost: int) -> None:
        self.use(keys)
        self._limits = limits
        self._clock = clock
        self._cost = cost

    def use(self, keys: Sequence[bytes]) -> None:
        """Replace the keys."""
        self._keys = [derived_key(key, "challenge") for key in keys]

    def issue(self, purpose: ChallengePurpose, network: str, work: int = 0) -> Mapping[str, object]:
        """See `application.ports.Challenges.issue`."""
        parameters = _Parameters(
            ALGORITHM,
            self._cost << work,
            int(self._clock().timestamp()) + LIFETIME_SECONDS,
            KEY_BYTES,
            PREFIX,
            secrets.token_hex(NONCE_BYTES),
            secrets.token_hex(NONCE_BYTES),
        )
        signature = _mac(self._keys[0], purpose, network, parameters)
        return {"parameters": msgspec.to_builtins(parameters), "signature": signature}

    async def accept(self, purpose: ChallengePurpose, network: str, solution: str, work: int = 0) -> bool:
        """See `application.ports.Challenges.accept`. What is wrong is wrong for good: it has used up the challenge."""
        found = _decoded(solution)
        if found is None or not self._is_ours(found.challenge, purpose, network):
            return False
        parameters = found.challenge.parameters
        if parameters.expires_at <= self._clock().timestamp() or parameters.cost < self._cost << work:
            return False
        bucket = Bucket(ONCE, parameters.nonce, parameters.nonce)
        return (await self._limits.take([bucket])).admitted and await asyncio.to_thread(_solves, found)

    def _is_ours(self, challenge: _Challenge, purpose: ChallengePurpose, network: str) -> bool:
        macs = [_mac(key, purpose, network, challenge.parameters) for key in self._keys]
        return any(hmac.compare_digest(mac.encode(), challenge.signature.encode()) for mac in macs)


def _mac(key: bytes, purpose: str, network: str, parameters: _Parameters) -> str:
    message = msgspec.json.encode([purpose, network, parameters])
    return hmac.digest(key, message, hashlib.sha256).hex()


def _decoded(solution: str) -> _Solution | None:
    if len(solution) > MAX_SOLUTION_LENGTH:
        return None
    try:
        return SOLUTIONS.decode(b64decode(solution, validate=True))
    except (ValueError, msgspec.DecodeError, RecursionError):  # the last one: brackets in brackets in brackets
        return None


def _solves(found: _Solution) -> bool:
    """Return whether the counter solves a challenge of ours."""
    parameters = found.challenge.parameters
    password = bytes.fromhex(parameters.nonce) + found.solution.counter.to_bytes(4, "big")
    salt = bytes.fromhex(parameters.salt)
    key = hashlib.pbkdf2_hmac("sha256", password, salt, parameters.cost, parameters.key_length)
    return key.hex().startswith(parameters.key_prefix)
