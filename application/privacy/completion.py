"""Erasures that a job sends, each until it is complete."""

from itertools import count
from typing import Any
from uuid import UUID

from application.commands import Command
from application.ports import SendAsSystem
from domain.privacy.refusals import ErasureIsHeld


async def complete(command: Command[Any], key: str, send: SendAsSystem) -> list[UUID]:
    """Send a command, an erasure until it is complete; return the streams that it could not read.

    Raises:
        ErasureIsHeld: a legal hold keeps the rest of it.
        Unavailable, NotSettled, Unreadable: see `application.bus.Bus.send`.
    """
    for number in count():
        step = await send(command, f"{key}:{number}")
        if step is None or step.complete:
            break
    return [] if step is None else step.unread


async def complete_unless_held(command: Command[Any], key: str, send: SendAsSystem) -> list[UUID]:
    """Do the same for a job that runs by a schedule. What is held stays: the next run of the job finds it again."""
    try:
        return await complete(command, key, send)
    except ErasureIsHeld:
        return []
