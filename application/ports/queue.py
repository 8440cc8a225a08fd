"""Port to the queue of jobs."""

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from application.jobs import Job


class JobQueue(Protocol):
    """Keeps jobs until workers have performed them."""

    async def enqueue(self, *jobs: Job, at: datetime | None = None) -> None:
        """Keep the jobs, all or none. `at`: they are performed no earlier; None: as their `not_before` says.

        Raises:
            Unavailable: the database does not answer; nothing was kept.
        """

    async def place(self, job: Job) -> int:
        """Return about how many jobs come until this one, itself included: from 1 to 1,000, or that many and more.

        The job has a turn. If it is not kept yet, this is the place that it would get now.

        Raises:
            Unavailable: the database does not answer.
        """

    async def paused(self, resources: Collection[str]) -> set[str]:
        """Return which of these resources operators have paused. Only workers may ask.

        Raises:
            Unavailable: the database does not answer.
        """
