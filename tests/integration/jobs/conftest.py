"""Fixtures of the queue of jobs."""

from collections.abc import AsyncIterator

import pytest

from tests.support.jobs import OpenedJobs, open_jobs
from tests.support.servers import Database


@pytest.fixture
async def jobs(database: Database) -> AsyncIterator[OpenedJobs]:
    """The queue on an empty database."""
    async with open_jobs(database) as opened:
        yield opened
