"""The worker role: jobs that no request waits for."""

import uvloop

from infra.bootstrap.lifetime import retry_until_available, until_stopped
from infra.bootstrap.write_side import open_write_side
from infra.jobs.housekeeping import run_housekeeping
from infra.settings.model import Settings


def run(settings: Settings) -> None:
    """Run the jobs until SIGINT or SIGTERM."""
    uvloop.run(until_stopped(_work(settings)))


async def _work(settings: Settings) -> None:
    async with open_write_side(settings, "worker") as core:
        await retry_until_available(core.guard.require)
        await run_housekeeping(core.database)
