"""Port to the queue of jobs."""

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
