"""States that may no longer be published are not saved as published."""

from typing import Any
from uuid import UUID

import pytest

from adapters.integration_events.cloudevents import CloudEvents
from infra.kafka.client.topics import Topics
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.relay.leader_lease import NoLongerLeading
from infra.kafka.relay.session_checkpoints import SessionCheckpoints
from infra.kafka.relay.state_publisher import CHANGED, StatePublishSession


class Connection:
    """A log in which one team has changed. Records all other queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, query: str, *_: Any, **__: Any) -> "Connection":
        if query != CHANGED:
            self.asked.append(query)
        return self

    def fetchall(self) -> list[tuple[UUID, str, int, bool]]:
        return [(UUID(int=1), "team.founded", 5, False)]


def test_a_relay_that_no_longer_leads_saves_no_state_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.kafka.relay.session_checkpoints.SAVE_SECONDS", 0.0)
    connection: Any = Connection()
    names = Topics(partitions=2)
    ends = {(topic, partition): PartitionEnd(0, 0, 0) for topic in names.states() for partition in range(2)}
    nothing: Any = None
    session = StatePublishSession(
        connection, nothing, nothing, names, SessionCheckpoints(connection, ends), CloudEvents(), lambda _: [None]
    )

    with pytest.raises(NoLongerLeading):
        session.step(5, lambda: False)

    assert connection.asked == []
