"""The worker, wired: work that no request waits for."""

import uvloop

from infra.bootstrap.lifetime import until_stopped
from infra.bootstrap.write_side import open_core
from infra.jobs.housekeeping import keep_house
from infra.settings.model import Settings


def run(settings: Settings) -> None:
    """Do the housekeeping until SIGINT or SIGTERM."""
    uvloop.run(until_stopped(_work(settings)))


async def _work(settings: Settings) -> None:
    async with open_core(settings) as core:
        await keep_house(core.database)
