"""Has witnesses cosign the checkpoints of the sealer, and keeps what they sign. Sealing never waits for it.

Each round has one checkpoint for all witnesses: the last one when the round begins. Each witness is asked by a task of
its own, so none waits for another; one that fails is asked again after 1, 2, 4 ... seconds. The sealer that leads asks.
What it needs is in the database, so another process, or this one after a crash, goes on.
"""

import asyncio
from collections.abc import Callable, Sequence

import httpx2
import structlog
from prometheus_client import Counter, Gauge

from application.ports import Unavailable
from infra.asyncio_compat import goes_on
from infra.audit import cosigned_rows, tables
from infra.audit.continuity import HistoryRefused, opened
from infra.audit.notes import LogCheckpoint, VerifierKey
from infra.audit.proving import continuation_from, tiles_for_continuation
from infra.audit.tiles import TileId
from infra.audit.tree import ProofRefused
from infra.audit.witnessing import (
    HistoryDisputed,
    NotCosigned,
    SealedTree,
    Witness,
    WitnessIsAhead,
    cosignature,
)
from infra.postgres.database import Database

ROUND_SECONDS = 10.0
"""Between two checkpoints that witnesses are asked to cosign; checkpoints between them are not cosigned."""
POLL_SECONDS = 0.5
MAX_DELAY_SECONDS = 60.0
"""The longest wait before a witness is asked again; the first one is a second, each is twice as long as the last."""

log = structlog.get_logger(__name__)

cosigned_counter = Counter("palimpsest_witness_cosigned", "Checkpoints that the witness has cosigned", ["witness"])
failed_counter = Counter(
    "palimpsest_witness_failed", "Requests that brought no cosignature, by kind of reason", ["witness", "kind"]
)
position_gauge = Gauge("palimpsest_witness_position", "Position up to which the witness has cosigned", ["witness"])
disputed_gauge = Gauge(
    "palimpsest_witness_disputed", "1: the witness knows another history than the one that is sealed", ["witness"]
)


class Cosigning:
    """Asks witnesses while this process leads. `key`: of the log; `leads`: whether the sealer of this process does."""

    def __init__(
        self,
        database: Database,
        key: VerifierKey,
        witnesses: Sequence[Witness],
        client: httpx2.AsyncClient,
        leads: Callable[[], bool],
    ) -> None:
        self._database = database
        self._key = key
        self._witnesses = witnesses
        self._client = client
        self._leads = leads
        self._tree = SealedTree(0, "")

    async def run(self) -> None:
        """Ask until cancelled."""
        for witness in self._witnesses:
            disputed_gauge.labels(witness.key.name).set(0)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._begin_rounds())
            for witness in self._witnesses:
                tasks.create_task(self._follow(witness))

    async def _begin_rounds(self) -> None:
        while goes_on():
            try:
                is_new = self._leads() and await self.begin_round()
            except Unavailable:
                is_new = False
            except HistoryRefused as error:
                is_new = False
                log.error("the last checkpoint is not sent to witnesses", reason=str(error))
            await asyncio.sleep(ROUND_SECONDS if is_new else POLL_SECONDS)

    async def begin_round(self) -> bool:
        """Choose the last checkpoint for all witnesses. Returns whether it is a new one.

        Raises:
            HistoryRefused: the checkpoint is not one of this log.
            Unavailable: the database does not answer.
        """
        last = await self._last()
        if last is None or last.size <= self._tree.size:
            return False
        opened(self._key, last)
        self._tree = SealedTree(*last)
        return True

    async def _follow(self, witness: Witness) -> None:
        failures, done = 0, SealedTree(0, "")
        while goes_on():
            await asyncio.sleep(min(MAX_DELAY_SECONDS, POLL_SECONDS * 2**failures))
            tree = self._tree
            if not self._leads():
                disputed_gauge.labels(witness.key.name).set(0)
            elif tree != done:
                is_done = await self._try(witness, failures)
                failures, done = (0, tree) if is_done else (min(failures + 1, 10), done)

    async def _try(self, witness: Witness, failures: int) -> bool:
        try:
            await self.ask(witness)
        except NotCosigned as error:
            failed_counter.labels(witness.key.name, error.kind).inc()
            disputes = isinstance(error, HistoryDisputed)
            disputed_gauge.labels(witness.key.name).set(disputes)
            say = log.error if disputes else log.warning
            say("a witness has not cosigned", witness=witness.key.name, reason=str(error), failures=failures + 1)
            return False
        except (ProofRefused, HistoryRefused) as error:
            log.error("the tree is damaged: no proof for a witness", witness=witness.key.name, reason=str(error))
            return False
        except Unavailable as error:
            log.warning("a witness waits", witness=witness.key.name, reason=str(error))
            return False
        disputed_gauge.labels(witness.key.name).set(0)
        return True

    async def ask(self, witness: Witness) -> None:
        """Have a witness cosign the checkpoint of the round, unless it has; keep what it says.

        Raises:
            NotCosigned: it has not cosigned it.
            ProofRefused: the tiles do not lead to the checkpoint.
            Unavailable: the database does not answer.
        """
        tree = self._tree
        ((old,),) = await self._database.rows(cosigned_rows.LAST_SIZE, [str(witness.key)])
        position_gauge.labels(witness.key.name).set(old)
        if old >= tree.size:
            return
        try:
            line = await self._cosignature(witness, tree, old)
        except NotCosigned as error:
            refusal = [str(witness.key), str(error), isinstance(error, HistoryDisputed)]
            await self._database.rows(cosigned_rows.SAY, refusal)
            raise
        at = witness.key.cosigned_at(f"{tree.note}{line}")
        await self._database.rows(cosigned_rows.ADD, [tree.size, str(witness.key), line, at])
        await self._database.rows(cosigned_rows.SAY, [str(witness.key), None, False])
        position_gauge.labels(witness.key.name).set(tree.size)
        cosigned_counter.labels(witness.key.name).inc()

    async def _cosignature(self, witness: Witness, tree: SealedTree, old: int) -> str:
        async def proof_from(known: int) -> list[bytes]:
            return await self._proof(known, tree)

        try:
            return await cosignature(self._client, witness, tree, old, proof_from)
        except WitnessIsAhead as error:
            await self.begin_round()
            if self._tree.size >= error.known:
                raise NotCosigned("it has cosigned a later checkpoint meanwhile", "overtaken") from None
            raise

    async def _proof(self, old: int, tree: SealedTree) -> list[bytes]:
        wanted = tiles_for_continuation(old, tree.size)
        found = await self._database.rows(tables.TILES, tables.tile_parameters(wanted))
        tiles = {TileId(level, number): content for level, number, content in found}
        return continuation_from(tiles, old, LogCheckpoint.of(tree.note))

    async def _last(self) -> tables.SignedCheckpoint | None:
        rows = await self._database.rows(tables.LAST_CHECKPOINT, [])
        return tables.SignedCheckpoint(*rows[0]) if rows else None
