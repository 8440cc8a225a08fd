"""Asks a witness to cosign a checkpoint, as in C2SP tlog-witness (`add-checkpoint`)."""

import asyncio
import re
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

import httpx2

from infra.audit.cosignatures import WitnessKey
from infra.audit.notes import NoteRefused

TIMEOUT_SECONDS = 10.0
"""The longest that a witness takes to answer, from the connection to the last byte."""
MAX_ANSWER_BYTES = 64 * 1024
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n?")

ProofFrom = Callable[[int], Awaitable[list[bytes]]]
"""Returns the hashes that prove: the checkpoint continues the tree of this size, which is neither 0 nor its own."""


class Witness(NamedTuple):
    """A witness. `url`: where its interface begins. It may hold a secret, so it is in no message."""

    key: WitnessKey
    url: str


class SealedTree(NamedTuple):
    """What is to be cosigned: a checkpoint, as the log has signed it. `size`: that of its tree."""

    size: int
    note: str


class NotCosigned(Exception):
    """A witness has not cosigned a checkpoint. The message says why. `kind`: the kind of reason, for metrics."""

    def __init__(self, reason: str, kind: str = "refused") -> None:
        super().__init__(reason)
        self.kind = kind


class HistoryDisputed(NotCosigned):
    """A witness says that it knows another history of the log: it was signed twice, or set back."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, "disputed")


class WitnessIsAhead(HistoryDisputed):
    """A witness has cosigned a larger tree than the one that it was asked for. `known`: the size of that."""

    def __init__(self, known: int, size: int) -> None:
        super().__init__(f"it has cosigned {known} events, and {size} are sealed: the log was set back")
        self.known = known


REFUSALS = {
    403: "it says that the signature of the log is not one of the key that it knows",
    404: "it does not know the log",
    429: "it wants fewer requests",
}
SECOND_HISTORY = "the log does not continue the one that it has cosigned: it is another history"


def open_client(cafile: Path | None = None) -> httpx2.AsyncClient:
    """Return a client for `cosignature`. `cafile`: of the authorities to trust (PEM); None: those of the machine."""
    trust = ssl.create_default_context(cafile=cafile)
    return httpx2.AsyncClient(verify=trust, follow_redirects=False, trust_env=False, timeout=TIMEOUT_SECONDS)


async def cosignature(
    client: httpx2.AsyncClient, witness: Witness, tree: SealedTree, old: int, proof_from: ProofFrom
) -> str:
    """Return the line with which a witness cosigns a checkpoint. `old`: the size that it has cosigned last; or 0.

    Raises:
        NotCosigned: the witness refuses it, does not answer, or answers something else.
        HistoryDisputed: see there.
    """
    status, text = await _ask(client, witness.url, tree, old, proof_from)
    if status == 409:
        old = _known_size(text, old, tree.size)
        status, text = await _ask(client, witness.url, tree, old, proof_from)
    if status == 409:
        _known_size(text, old, tree.size)
        raise NotCosigned("it has cosigned another number of events meanwhile", "overtaken")
    if status == 422:
        raise HistoryDisputed(SECOND_HISTORY)
    if status != 200:
        raise NotCosigned(REFUSALS.get(status, f"it answers with the status {status}"))
    return _line_of(witness.key, tree.note, text)


def _known_size(text: str, old: int, size: int) -> int:
    """The size that a witness has cosigned, from its answer to a request that named another one."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise NotCosigned("it does not say which size it has cosigned", "nonsense")
    known = int(match[1])
    if known == old == size:  # so it is the root that differs (tlog-witness, add-checkpoint)
        raise HistoryDisputed(SECOND_HISTORY)
    if known == old:
        raise NotCosigned("it refuses the size that it names itself", "nonsense")
    if known > size:
        raise WitnessIsAhead(known, size)
    return known


async def _ask(
    client: httpx2.AsyncClient, url: str, tree: SealedTree, old: int, proof_from: ProofFrom
) -> tuple[int, str]:
    proof = await proof_from(old) if 0 < old < tree.size else []
    body = "\n".join([f"old {old}", *(b64encode(each).decode() for each in proof), "", tree.note])
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await _post(client, f"{url.rstrip('/')}/add-checkpoint", body.encode())
    except TimeoutError:
        raise NotCosigned(f"it does not answer within {TIMEOUT_SECONDS:.0f} seconds", "silent") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotCosigned(f"it does not answer ({type(error).__name__})", "silent") from None
    except UnicodeDecodeError:
        raise NotCosigned("its answer is not a text", "nonsense") from None


async def _post(client: httpx2.AsyncClient, url: str, body: bytes) -> tuple[int, str]:
    plain = {"Accept-Encoding": "identity"}
    async with client.stream("POST", url, content=body, headers=plain) as answer:
        read = b""
        async for piece in answer.aiter_raw():
            read += piece
            if len(read) > MAX_ANSWER_BYTES:
                raise NotCosigned("its answer is too long", "nonsense")
        return answer.status_code, read.decode()


def _line_of(key: WitnessKey, note: str, lines: str) -> str:
    """The line of the witness, with its end; others are left out, as nothing vouches for them."""
    for line in lines.split("\n"):
        if line.startswith(f"\u2014 {key.name} "):
            try:
                key.cosigned_at(f"{note}{line}\n")
            except NoteRefused:
                continue
            return f"{line}\n"
    raise NotCosigned("its answer has no cosignature of its key", "nonsense")
