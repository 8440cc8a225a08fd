"""Compares the keys of a process with its database: before it writes or serves, and after each change."""

import asyncio

import structlog

from application.ports import Unavailable
from infra.bootstrap.lifetime import retry_until_available
from infra.postgres.database import Database
from infra.sealing.check_values import (
    RECORD_KEY,
    SELECT_KEYS,
    RecordedKey,
    WrongKey,
    problems,
    require,
    unrecorded,
    values_of,
)
from infra.sealing.process_keys import ProcessKeys

WATCH_SECONDS = 2.0

log = structlog.get_logger(__name__)


class KeyGuard:
    """Lets keys be used only after they were compared with the database. `verified`: the keys in use were, and fit."""

    def __init__(self, keys: ProcessKeys, database: Database) -> None:
        self._keys = keys
        self._database = database
        self.verified = False

    async def require(self, *, again: bool = False) -> None:
        """Compare the keys unless that was done; with `again` also take up a changed key document.

        Raises:
            WrongKey: a key is not the one that the database was written with, or was replaced by a rotation.
            Unavailable: the database does not answer.
        """
        if self.verified and not again:
            return
        ring = await asyncio.to_thread(self._keys.learn)
        rows = await self._recorded()
        new = unrecorded(ring, rows)
        if new:
            for key in new:
                await self._database.rows(RECORD_KEY, values_of(key))
            rows = await self._recorded()
        try:
            require(ring, rows)
        except WrongKey:
            self.verified = self.verified and not any(problems(self._keys.ring, rows))
            raise
        self._keys.use(ring, rows)
        self.verified = True

    async def watch(self) -> None:
        """Compare the keys as soon as the database answers; then take up changes until cancelled.

        Raises:
            WrongKey: the keys of the start are wrong. Later it is logged, and the keys in use stay while they fit.
        """
        await retry_until_available(self.require)
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self.require(again=True)
            except Unavailable:
                continue
            except WrongKey as error:
                log.error("the key document is wrong", reason=str(error), keys_in_use_fit=self.verified)

    async def _recorded(self) -> list[RecordedKey]:
        return [RecordedKey(*row) for row in await self._database.rows(SELECT_KEYS, [])]
