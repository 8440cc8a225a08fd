"""Revocation and erasure: what takes access away is answered only when no read gives that access any more.

Events declare the read models through which they take access away (`Root.Event.revokes`). The bus waits until these
show the events. A command without events (a repeat, or nothing to do) must guarantee the same for what an earlier
command took away: then the last revoking event counts of each stream that it saves, or, if it was refused, loads.

An erasure destroys data keys, which processes keep in memory: it is answered only when none of them does any more.

Events may end sessions (`Root.Event.ends_sessions`). The bus ends them after the append, and answers when no process
takes a token of them any more. If it is interrupted in between, a policy does the same, and no refresh succeeds.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Protocol, cast
from uuid import UUID

from eventsourcing.utils import get_topic

from application.ports import EventStore, NotSettled, SessionEnding
from domain.kernel import Root, events_of

SETTLE_TIMEOUT = 5.0

Revocations = dict[tuple[str, UUID], int]
"""The position that each read model must show of each stream."""


class Settlement(Protocol):
    """Waits for reads to follow the log."""

    async def wait(self, read_model: str, stream_id: UUID, position: int, timeout: float) -> bool:
        """Wait until every read of the model shows the stream up to `position`, for at most `timeout` seconds.

        Returns whether every read does. A stream in quarantine shows nothing new.
        """

    async def forgotten(self, timeout: float) -> bool:
        """Wait until no process uses a data key that was erased before the call, for at most `timeout` seconds.

        By then no cache holds what was erased, either. The read models have followed already. Returns whether it is so.
        """

    async def end_sessions(self, endings: Sequence[SessionEnding]) -> bool:
        """End sessions; return whether no process takes a token of them any more. A second time, nothing happens."""


async def settle(settlement: Settlement, revocations: Mapping[tuple[str, UUID], int]) -> None:
    """Wait until the read models show the revocations.

    Raises:
        NotSettled: a read model does not within `SETTLE_TIMEOUT` seconds.
    """
    if not revocations:
        return
    waits = [
        settlement.wait(name, stream_id, position, SETTLE_TIMEOUT)
        for (name, stream_id), position in revocations.items()
    ]
    if not all(await asyncio.gather(*waits)):
        raise NotSettled


async def settle_erasures(settlement: Settlement) -> None:
    """Wait until no process uses a data key that was erased before the call.

    Raises:
        NotSettled: a process may do so after `SETTLE_TIMEOUT` seconds.
    """
    if not await settlement.forgotten(SETTLE_TIMEOUT):
        raise NotSettled


async def settle_sessions(settlement: Settlement, endings: Sequence[SessionEnding]) -> None:
    """End sessions, and wait until no process takes a token of them.

    Raises:
        NotSettled: a process may still do so.
    """
    if endings and not await settlement.end_sessions(endings):
        raise NotSettled


async def settle_earlier_sessions(settlement: Settlement, store: EventStore, roots: Iterable[Root]) -> None:
    """End the sessions that earlier events of these streams have ended.

    The streams are read again: the command may have changed its own copies before it found that nothing is new.

    Raises:
        NotSettled: a process may still take a token of them.
    """
    for root in roots:
        if any(event.ends_sessions for event in events_of(type(root))):
            ending = SessionEnding(root.id, root.version)
            if not root.erased:  # an erased stream has no sessions any more, and may have no state
                account = cast(_Account, await store.load(type(root), root.id))
                ending = SessionEnding(root.id, account.sessions_cut, account.kept_session_id)
            await settle_sessions(settlement, [ending] if ending.version else [])


class _Account(Protocol):
    """An aggregate whose events end sessions."""

    sessions_cut: int
    kept_session_id: UUID | None


def endings_of(events: Iterable[Root.Event]) -> list[SessionEnding]:
    """Return what sessions events end, those of users."""
    return [
        SessionEnding(event.originator_id, event.originator_version, getattr(event, "kept_session_id", None))
        for event in events
        if event.ends_sessions
    ]


def revoked_by(events: Iterable[Root.Event], position: int) -> Revocations:
    """Return the positions to show after `events`, the last of which is at `position`."""
    return {(name, event.originator_id): position for event in events for name in event.revokes}


async def settle_earlier(settlement: Settlement, store: EventStore, roots: Iterable[Root]) -> None:
    """Wait until the read models show what earlier events of these streams took away.

    The usual case is cheap: the read models have reached the end of the stream already. Only if not, the stream is
    searched for its last revoking event.

    Raises:
        NotSettled: a read model does not show it within `SETTLE_TIMEOUT` seconds.
    """
    for root in roots:
        for name, topics in revoking_topics(type(root)).items():
            end = await store.last_position(root.id)
            if not await settlement.wait(name, root.id, end, 0):
                revoked = await store.last_position(root.id, topics)
                await settle(settlement, {(name, root.id): revoked} if revoked else {})


@cache
def revoking_topics(kind: type[Root]) -> dict[str, frozenset[str]]:
    """Return the topics of the aggregate's revoking events, by read model."""
    topics: dict[str, set[str]] = {}
    for event in events_of(kind):
        for name in event.revokes:
            topics.setdefault(name, set()).add(get_topic(event))
    return {name: frozenset(found) for name, found in topics.items()}
