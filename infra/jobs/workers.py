"""Everything that a worker process does for the queue: work, watch other workers, keep schedules, measure."""

import asyncio
from collections.abc import Mapping
from typing import Any

from application.ports import Clock
from infra.jobs.declarations import require_performable
from infra.jobs.encoding import JobCodec
from infra.jobs.heartbeats import Heartbeats
from infra.jobs.manager import QueueAccess
from infra.jobs.metrics import observe_try, watch_backlog
from infra.jobs.performing import JobPerformer
from infra.jobs.schedules import Schedules, scheduled_kinds
from infra.jobs.stalled import StalledJobs
from infra.jobs.worker import QueueWorker, silence_library


async def run_workers(
    access: QueueAccess, codec: JobCodec, ports: Mapping[str, Any], queues: Mapping[str, int], clock: Clock
) -> None:
    """Work until cancelled. `queues`: the concurrency of each.

    Raises:
        WrongDeclaration: a kind of job cannot be performed as it is declared.
    """
    require_performable(ports, queues)
    silence_library()
    performer = JobPerformer(codec, ports, observe_try)
    heartbeats = Heartbeats(access.database)
    async with heartbeats.beating(), asyncio.TaskGroup() as tasks:
        for queue, concurrency in queues.items():
            tasks.create_task(QueueWorker(queue, concurrency, performer, access, heartbeats).run())
        tasks.create_task(StalledJobs(access.database).run())
        tasks.create_task(Schedules(scheduled_kinds(), access.database, codec, clock).run())
        tasks.create_task(watch_backlog(access.database))
