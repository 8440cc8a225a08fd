"""Sends the commands of policies, each once in effect: its idempotency key says which event it is about."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from application.cause import Cause
from application.commands import Command
from application.policy import Policy, command_key
from application.ports import AnswerExpired, Busy, CommandContext, InFlight, NotSettled, RecordedEvent, Unreadable
from infra.postgres.arrays import BigInts
from infra.postgres.projector_connection import Connection
from infra.projector.consumers import BatchPostponed
from infra.sealing.store_keys import StoreKeys
from infra.store.event_bytes import Metadata, check, frame_of, metadata_of

PolicySend = Callable[[Command[Any], CommandContext], Awaitable[object]]
"""`Bus.send`."""

FIND = "SELECT notification_id, state FROM stored_events WHERE notification_id = ANY(%b)"


class Causes:
    """The metadata of the events of a batch. Feeds do not have them; they are read when a command needs one."""

    def __init__(self, connection: Connection, stamps: StoreKeys, events: Sequence[RecordedEvent]) -> None:
        self._connection = connection
        self._stamps = stamps
        self._events = events
        self._stored: dict[int, bytes] | None = None
        self._reading = asyncio.Lock()

    async def of(self, event: RecordedEvent) -> Metadata:
        """Return the metadata of an event of the batch.

        Raises:
            Damage: the log was changed.
            Unreadable: the log lacks the event.
        """
        async with self._reading:
            if self._stored is None:
                cursor = self._connection.cursor(binary=True)
                await cursor.execute(FIND, [BigInts(each.position for each in self._events)])
                self._stored = dict(await cursor.fetchall())
        stored = self._stored.get(event.position)
        if stored is None:
            raise Unreadable(f"the event at {event.position}")
        check(frame_of(event.topic), event.stream_id, event.version, stored, self._stamps, event.position)
        return metadata_of(stored)


def cause_by(event: Metadata) -> Cause:
    """Return an event as the cause of work. One without a request began by itself."""
    return Cause(event.correlation_id or event.event_id, event.event_id)


async def carry_out(
    policy: Policy, commands: Sequence[Command[Any]], event: RecordedEvent, found: Metadata, send: PolicySend
) -> None:
    """Send the commands about an event, in order. Those that an earlier attempt has carried out are not repeated.

    Raises:
        Refusal: a rule refused a command, and the policy does not expect that.
        BatchPostponed: another command is in the way now.
        Unavailable, OutcomeUnknown: a server does not answer.
    """
    cause = cause_by(found)
    # Nothing is left to do: it is settled, or was carried out.
    settled: tuple[type[Exception], ...] = (*policy.settled_by, AnswerExpired, NotSettled)
    for number, command in enumerate(commands):
        context = CommandContext(
            actor=None,
            correlation_id=cause.correlation_id,
            causation_id=cause.event_id,
            idempotency_key=command_key(policy.name, event.position, number),
            traceparent=found.traceparent,
        )
        try:
            await send(command, context)
        except settled:
            continue
        except (Busy, InFlight) as error:
            raise BatchPostponed(type(error).__name__) from error
