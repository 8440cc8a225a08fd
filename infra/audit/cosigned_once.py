"""Has a witness cosign the last checkpoint once, for an operator; the sealer does it all the time (`cosigning.py`)."""

import asyncio
from pathlib import Path

from infra.audit import tables
from infra.audit.continuity import HistoryRefused, opened
from infra.audit.notes import VerifierKey
from infra.audit.proving import continuation_from, tiles_for_continuation
from infra.audit.tree import ProofRefused
from infra.audit.witnessing import NotCosigned, ProofFrom, SealedTree, Witness, cosignature, open_client
from infra.postgres.connect import Connection


def cosigned_last(
    connection: Connection, key: VerifierKey, witness: Witness, cafile: Path | None = None
) -> tables.SignedCheckpoint:
    """Return the last checkpoint with the cosignature of a witness. `key`: of the log; `cafile`: see `open_client`.

    Raises:
        HistoryRefused: the checkpoint is not one of this log, or a tile is missing.
        NotCosigned: the witness has not cosigned it; or nothing is sealed yet.
    """
    last = tables.last_checkpoint(connection)
    if last is None:
        raise NotCosigned("nothing is sealed yet")
    signed = opened(key, last)

    async def proof_from(old: int) -> list[bytes]:
        return continuation_from(tables.tiles(connection, tiles_for_continuation(old, signed.size)), old, signed)

    try:
        return last._replace(note=last.note + asyncio.run(_line(witness, last, proof_from, cafile)))
    except ProofRefused as error:
        raise HistoryRefused(str(error)) from None


async def _line(witness: Witness, last: tables.SignedCheckpoint, proof_from: ProofFrom, cafile: Path | None) -> str:
    async with open_client(cafile) as client:
        return await cosignature(client, witness, SealedTree(*last), 0, proof_from)
