"""A worker of policies as a process of its own, which kills itself at a chosen step.

python -m tests.support.policy_worker URL STEP
"""

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

from application.cause import Cause
from application.commands import Command
from application.jobs import Job
from application.ports import CommandContext
from infra.policies.consumer import PolicyParts
from infra.policies.consumer_set import PolicyConsumers
from infra.postgres.projector_connection import Connection
from infra.projector.log_projector import LogProjector
from infra.projector.read_ahead import BufferedFeed
from tests.support.mirror import COUNT, MIRROR
from tests.support.reacting import bus_on, enqueue_on
from tests.support.stores import open_store

STEPS = ("amid the commands", "after the commands", "before the commit", "after the commit")
NEVER = "never"


def die() -> None:
    """End at once, as after a loss of power."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(LogProjector):
    """A loop that dies after it has committed a batch with events, if `step` says so."""

    step = NEVER

    async def _apply(self, connection: Connection, group: Any, events: Any, carefully: bool) -> None:
        await super()._apply(connection, group, events, carefully)
        if self.step == "after the commit":
            die()


async def work(url: str, step: str) -> None:
    """React with the policies `mirror` and `count`, until the step."""
    async with open_store(url) as opened:
        bus, sent = bus_on(opened), 0

        async def send(command: Command[Any], context: CommandContext) -> None:
            nonlocal sent
            await bus.send(command, context)
            sent += 1
            if step == "amid the commands" and sent == 3:
                die()

        async def enqueue(connection: Connection, jobs: Sequence[Job], causes: Sequence[Cause]) -> None:
            if step == "after the commands":
                die()
            await enqueue_on(connection, jobs, causes)
            if step == "before the commit":
                die()

        consumers = PolicyConsumers([MIRROR, COUNT], PolicyParts(send, enqueue, opened.keyring.stamps))
        feed = opened.feed()
        await feed.start()
        loop = Mortal(consumers, BufferedFeed(feed), feed, url)
        loop.step = step
        await loop.run()


if __name__ == "__main__":
    asyncio.run(work(*sys.argv[1:]))
