"""A command bus that waits for what commands revoke and erase, for the API and for the command line."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from application.bus import Bus
from application.ports import Holdings, ReadStore
from infra.bootstrap.lifetime import started
from infra.bootstrap.write_side import WriteSide
from infra.cache.read_cache import CachedReadStore
from infra.cache.settlement import ReadSettlement
from infra.postgres.read_store import PooledReadStore
from infra.projector.position_tracker import PositionTracker
from infra.store.log_rows import HEAD
from projections.privacy.holdings import ReadHoldings


@dataclass(frozen=True, slots=True)
class SettledBus:
    """The bus, and the parts that it waits with."""

    bus: Bus
    positions: PositionTracker
    holdings: Holdings


@asynccontextmanager
async def open_settled_bus(core: WriteSide, reads: ReadStore, ports: Mapping[str, object]) -> AsyncIterator[SettledBus]:
    """Open a bus. `reads`: the read models, through the cache if there is one."""
    async with started(PositionTracker(core.url)) as positions:

        async def head() -> int:
            rows = await core.database.rows(HEAD, [])
            return int(rows[0][0])

        holdings = ReadHoldings(PooledReadStore(core.database), positions, head)
        cache = reads if isinstance(reads, CachedReadStore) else None
        settlement = ReadSettlement(positions, core.database, cache, core.sessions)
        yield SettledBus(core.bus({"holdings": holdings, **ports}, settlement), positions, holdings)
