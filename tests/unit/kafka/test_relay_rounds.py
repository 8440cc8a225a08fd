"""States that may no longer be published are not noted as published."""

from typing import Any
from uuid import UUID

import pytest

from adapters.integration_events.cloudevents import CloudEvents
from infra.kafka.client.topics import Topics
from infra.kafka.relay.checkpoints import PartitionEnd
from infra.kafka.relay.leader_lease import NoLongerLeading
from infra.kafka.relay.state_publisher import CHANGED, StatePublishSession


class Connection:
    """A log in which one team has changed; remembers what else it is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def execute(self, query: str, *_: Any, **__: Any) -> "Connection":
        if query != CHANGED:
            self.asked.append(query)
        return self

    def fetchall(self) -> list[tuple[UUID, str, int, bool]]:
        return [(UUID(int=1), "team.founded", 5, False)]


def test_a_relay_that_leads_no_longer_notes_no_state_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.kafka.relay.state_publisher.SAVE_SECONDS", 0.0)
    connection, names = Connection(), Topics(partitions=2)
    found = {(topic, partition): PartitionEnd(0, 0, 0) for topic in names.states() for partition in range(2)}
    nothing: Any = None
    rounds = StatePublishSession(connection, nothing, nothing, names, found, CloudEvents(), lambda _: [None])  # type: ignore[arg-type]

    with pytest.raises(NoLongerLeading):
        rounds.run(5, lambda: False)

    assert connection.asked == []
