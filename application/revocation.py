"""Revocation: a command that takes access away is answered only when no read gives that access any more.

Events declare the read models through which they take access away (`Root.Event.revokes`). The bus waits until these
have processed them. A command without events (a repeat, or nothing to do) must guarantee the same for what an earlier
command took away: then the last revoking event of each loaded stream counts.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from functools import cache

from eventsourcing.utils import get_topic

from application.ports import EventStore, NotSettled, Positions
from domain.kernel import Root

SETTLE_TIMEOUT = 5.0

Revoked = dict[str, int]
"""Positions to reach, by read model."""


async def settle(positions: Positions, revoked: Mapping[str, int]) -> None:
    """Wait until the read models have reached their positions.

    Raises:
        NotSettled: a read model has not within `SETTLE_TIMEOUT` seconds.
    """
    waits = [positions.wait(name, position, SETTLE_TIMEOUT) for name, position in revoked.items()]
    if any(await asyncio.gather(*waits)):
        raise NotSettled


def revoked_by(events: Iterable[Root.Event], position: int) -> Revoked:
    """Return the positions to reach after `events`, the last of which is at `position`."""
    return {name: position for event in events for name in event.revokes}


async def revoked_before(store: EventStore, roots: Iterable[Root]) -> Revoked:
    """Return the positions to reach for what earlier events of these streams took away."""
    revoked: Revoked = {}
    for root in roots:
        for name, topics in revoking_topics(type(root)).items():
            position = await store.last_position(root.id, topics)
            revoked[name] = max(position, revoked.get(name, 0))
    return {name: position for name, position in revoked.items() if position}


@cache
def revoking_topics(kind: type[Root]) -> dict[str, frozenset[str]]:
    """Return the topics of the aggregate's revoking events, by read model."""
    topics: dict[str, set[str]] = {}
    for event in events_of(kind):
        for name in event.revokes:
            topics.setdefault(name, set()).add(get_topic(event))
    return {name: frozenset(found) for name, found in topics.items()}


def events_of(kind: type[Root]) -> Iterator[type[Root.Event]]:
    """Yield the event classes that an aggregate class defines."""
    for value in vars(kind).values():
        if isinstance(value, type) and issubclass(value, Root.Event):
            yield value
