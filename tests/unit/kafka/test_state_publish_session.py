"""States that may no longer be published are not saved as published."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from adapters.integration_events.cloudevents import CloudEvents
from infra.kafka.client.topics import Topics
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.relay.session_checkpoints import SessionCheckpoints
from infra.kafka.relay.state_publisher import CHANGED, AggregateRef, LoadAggregates, StatePublishSession
from infra.postgres.leader_lease import NoLongerLeading


class Connection:
    """A log in which teams have changed. Records all other queries."""

    def __init__(self, teams: int = 1) -> None:
        self.teams = teams
        self.asked: list[str] = []

    def execute(self, query: str, *_: Any, **__: Any) -> "Connection":
        if query != CHANGED:
            self.asked.append(query)
        return self

    def fetchall(self) -> list[tuple[UUID, str, int, bool]]:
        return [(UUID(int=n + 1), "team.founded", 5, False) for n in range(self.teams)]


def session_on(connection: Any, load: LoadAggregates) -> StatePublishSession:
    """A session without a broker."""
    names = Topics(partitions=2)
    ends = {(topic, partition): PartitionEnd(0, 0, 0) for topic in names.states() for partition in range(2)}
    nothing: Any = None
    return StatePublishSession(
        connection, nothing, nothing, names, SessionCheckpoints(connection, ends), CloudEvents(), load
    )


def test_a_relay_that_no_longer_leads_saves_no_state_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.kafka.relay.session_checkpoints.SAVE_SECONDS", 0.0)
    connection = Connection()
    session = session_on(connection, lambda _: [None])

    with pytest.raises(NoLongerLeading):
        session.step(5, lambda: False)

    assert connection.asked == []


def test_h3_a_relay_has_few_aggregates_in_memory_at_a_time() -> None:
    loaded: list[int] = []

    def load(refs: Sequence[AggregateRef]) -> list[None]:
        loaded.append(len(refs))
        return [None] * len(refs)

    with pytest.raises(NoLongerLeading):
        session_on(Connection(teams=70), load).step(5, lambda: False)

    assert loaded == [32, 32, 6]
