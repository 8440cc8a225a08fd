"""A job queue in memory, for tests of use cases."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from application.discovery import import_all
from application.jobs import Job, perform

import_all("application")  # so that all jobs can be performed


class MemoryJobs:
    """Implements `application.ports.JobQueue`. `waiting`: the jobs that were not performed, and when they are due."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Job, datetime | None]] = []
        self.paused_resources: set[str] = set()

    async def enqueue(self, *jobs: Job, at: datetime | None = None) -> None:
        self.waiting += [(job, at or job.not_before) for job in jobs]

    async def place(self, job: Job) -> int:
        return sum(waiting != job for waiting, _ in self.waiting) + 1

    async def paused(self, resources: Collection[str]) -> set[str]:
        return self.paused_resources & {*resources}

    async def perform_all(self, ports: Mapping[str, Any]) -> None:
        """Perform all jobs, also those that they enqueue, whenever they are due. A job that fails stays."""
        while self.waiting:
            await perform(self.waiting[0][0], ports)
            del self.waiting[0]
