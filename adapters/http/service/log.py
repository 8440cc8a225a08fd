"""HTTP for the audit tree, so that others can check the history: checkpoint, tiles and proofs, in the formats of C2SP.

They hold hashes and signatures only, so they take no token. Bundles of entries name streams, types and times: they are
not served here (`infra/audit/decisions/0003-what-is-public-of-the-tree.md`).
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Path

from adapters.http.api.openapi import CONDITIONS, operation
from adapters.http.api.queries import PublicRead
from adapters.http.api.responses import ALWAYS_ASKED, FOREVER, Answer, Representation, encode
from adapters.http.api.routers import Router, Tag

router = Router("/v1/log", tag=Tag("log", "The audit tree: the history, signed, for others to check."))

TEXT = b"text/plain; charset=utf-8"
BYTES = b"application/octet-stream"
MAX_POSITION = 2**63 - 1
CHECKPOINT = """\
api.example.com/v1/log
4711
n7EHW3mLPOcRF0R1eDqyHpwTYFHVpl6Rlw4Z04bN7hY=

\u2014 api.example.com/v1/log 0Z5n8yJ3bPp1bQ0o4W1h4bU5r0Qm0o0l7k8h2pF1f5b8e0Vt6fYQh3Tg2mK1lqQx2m5kq3p8rC8mTzjzYvS0DQ==
"""
PROOF = """\
c2sp.org/tlog-proof@v1
index 4709
sY5kqB9kM8m1x9vXh0bC6tVq3o2n4Jp7lF8eD1zR0aA=

"""

Position = Annotated[int, Path(ge=1, le=MAX_POSITION, examples=[4710])]
"""Of an event in the log."""
Size = Annotated[int, Path(ge=1, le=MAX_POSITION, examples=[4711])]
"""A number of events, of a tree."""
TileName = Annotated[str, Path(max_length=100)]


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """What proves that the tree of the first `new` events begins with that of the first `old` ones (RFC 9162).

    `hashes` are in base64.
    """

    old: int
    new: int
    hashes: list[str]


class TextAnswer(Answer):
    """A text that is not JSON."""

    media_type = "text/plain"


@router.get(
    "/checkpoint",
    **{
        **operation(
            "The checkpoint.", takes=CONDITIONS, fails=[404, 503], limits=["log"], media={"text/plain": CHECKPOINT}
        ),
        "response_class": TextAnswer,
    },
)
async def get_checkpoint(read: PublicRead) -> Answer:
    """Get the last checkpoint. It is signed, and names the number of events and the root of the tree over them (C2SP
    tlog-checkpoint).

    Where the log has witnesses, their cosignatures follow (C2SP tlog-cosignature): of the checkpoints of the last
    minute you get the one that most of them have cosigned.

    Tiles are at `/v1/log/tile/`, with the paths of C2SP tlog-tiles. Bundles of entries are not public.
    """
    note = await read.log.checkpoint()
    return read.plain(Representation(note.encode(), TEXT), [ALWAYS_ASKED])


@router.get("/tile/{tile:path}", **operation("The tile.", takes=CONDITIONS, limits=["log"]), include_in_schema=False)
async def get_tile(tile: TileName, read: PublicRead) -> Answer:
    """Get the hashes of a tile. It never changes, full or partial."""
    return read.plain(Representation(await read.log.tile(tile), BYTES), [FOREVER])


@router.get(
    "/proof/{position}",
    **{
        **operation(
            "The proof.",
            takes=CONDITIONS,
            fails=[503],
            limits=["log"],
            media={"text/plain": PROOF + CHECKPOINT},
        ),
        "response_class": TextAnswer,
    },
)
async def get_log_proof(position: Position, read: PublicRead) -> Answer:
    """Get a proof that an event is in the log. It leads to the last checkpoint (C2SP tlog-proof).

    The leaf index of an event is its position - 1. The leaf itself is not in the proof.
    """
    proof = await read.log.inclusion(position)
    return read.plain(Representation(proof.encode(), TEXT), [ALWAYS_ASKED])


@router.get(
    "/consistency/{old}/{new}",
    response_model=ConsistencyProof,
    **operation("The proof.", takes=CONDITIONS, fails=[503], limits=["log"]),
)
async def get_consistency_proof(old: Size, new: Size, read: PublicRead) -> Answer:
    """Get a proof that the log continued. The log of `new` events begins with the log of `old` events, unchanged."""
    proof = _consistency_proof(old, new, await read.log.consistency(old, new))
    return read.plain(Representation(encode(proof), b"application/json"), [FOREVER])


def _consistency_proof(old: int, new: int, hashes: Iterable[bytes]) -> ConsistencyProof:
    return ConsistencyProof(old, new, [b64encode(each).decode() for each in hashes])
