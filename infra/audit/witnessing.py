"""Asks a witness to cosign a checkpoint, as in C2SP tlog-witness (`add-checkpoint`)."""

import re
from base64 import b64encode
from collections.abc import Callable

import httpx2

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened
from infra.audit.cosignatures import WitnessKey
from infra.audit.notes import NoteRefused, VerifierKey
from infra.audit.proving import consistency_from
from infra.audit.tiles import tiles_for
from infra.audit.tree import ProofRefused, consistency_ranges
from infra.postgres.connect import Connection

TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 * 1024
_SIZE = re.compile(r"(0|[1-9][0-9]{0,18})\n")

ProofFrom = Callable[[int], list[bytes]]
"""Returns the hashes that prove: the checkpoint continues the tree of this size."""


class NotCosigned(Exception):
    """A witness has not cosigned a checkpoint. The message says why."""


def cosigned_last(connection: Connection, key: VerifierKey, url: str, witness: WitnessKey) -> tables.SignedCheckpoint:
    """Return the last checkpoint with the cosignature of a witness.

    Raises:
        HistoryRefused: the checkpoint is not one of this log, or a tile is missing.
        NotCosigned: see `cosigned`; or nothing is sealed yet.
    """
    last = tables.last_checkpoint(connection)
    if last is None:
        raise NotCosigned("nothing is sealed yet")
    size = opened(key, last).size

    def proof_from(old: int) -> list[bytes]:
        return consistency_from(tables.tiles(connection, tiles_for(consistency_ranges(old, size))), old, size)

    try:
        return last._replace(note=cosigned(url, witness, last.note, proof_from, size))
    except ProofRefused as error:
        raise HistoryRefused(str(error)) from None


def cosigned(url: str, witness: WitnessKey, note: str, proof_from: ProofFrom, size: int) -> str:
    """Return a checkpoint with the cosignature of a witness. `url`: where its interface begins; `size`: of the tree.

    Raises:
        NotCosigned: the witness refuses it, does not answer, or answers something else.
    """
    with httpx2.Client(timeout=TIMEOUT_SECONDS) as client:
        status, text = _ask(client, url, 0, [], note)
        if status == 409 and (match := _SIZE.fullmatch(text)) is not None:
            known = int(match[1])
            if known > size:
                raise NotCosigned(f"it has cosigned {known} events, and {size} are sealed: the log was set back")
            status, text = _ask(client, url, known, proof_from(known) if known else [], note)
    if status != 200:
        raise NotCosigned(REFUSALS.get(status, f"it answers with the status {status}"))
    return _with_cosignature(witness, note, text)


REFUSALS = {
    403: "it says that the signature of the log is not one of the key that it knows",
    404: "it does not know the log",
    409: "it has cosigned another number of events meanwhile; ask again",
    422: "the log does not continue the one that it has cosigned: it is another history",
}


def _ask(client: httpx2.Client, url: str, old: int, proof: list[bytes], note: str) -> tuple[int, str]:
    lines = [f"old {old}", *(b64encode(each).decode() for each in proof), "", note]
    try:
        with client.stream("POST", f"{url.rstrip('/')}/add-checkpoint", content="\n".join(lines).encode()) as answer:
            read = b""
            for piece in answer.iter_bytes():
                read += piece
                if len(read) > MAX_ANSWER_BYTES:
                    raise NotCosigned("its answer is too long")
            return answer.status_code, read.decode()
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NotCosigned(f"it does not answer ({type(error).__name__})") from None
    except UnicodeDecodeError:
        raise NotCosigned("its answer is not a text") from None


def _with_cosignature(witness: WitnessKey, note: str, lines: str) -> str:
    """The note with the line of the witness; others are left out, as nothing vouches for them."""
    for line in lines.splitlines():
        found = f"{note}{line}\n"
        if line.startswith(f"\u2014 {witness.name} "):
            try:
                witness.cosigned_at(found)
            except NoteRefused:
                continue
            return found
    raise NotCosigned("its answer has no cosignature of its key")
