"""A policy as a consumer: which events it takes, what it writes, and in which order."""

from collections.abc import Mapping, Sequence
from typing import Any, cast
from uuid import UUID

import pytest
from msgspec.structs import replace

from application.cause import Cause
from application.jobs import Job
from application.policy import Policy
from application.ports import RecordedEvent, Undecodable
from domain.kernel import Party
from infra.policies import reactions, states
from infra.policies.commands import Causes
from infra.policies.consumer import MAX_BATCH, BatchSize, PolicyConsumer, PolicyParts
from infra.policies.consumer_set import PolicyConsumers
from infra.projector.checkpoints import Checkpoint
from infra.projector.consumers import BatchPostponed
from infra.store.event_bytes import Metadata
from tests.support.mirror import ANNOUNCE, COUNT, MIRROR
from tests.support.note import AUTHOR, Note
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news
from tests.support.stores import STAMPS


class Written:
    """What a policy writes: jobs by their effect keys, with their causes, and states by key."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.jobs: list[list[str]] = []
        self.causes: list[Cause] = []
        self.states: dict[UUID, bytes | None] = {}
        monkeypatch.setattr(states, "load", self.load)
        monkeypatch.setattr(states, "store", self.store)
        monkeypatch.setattr(Causes, "of", self.metadata)

    async def load(self, connection: object, policy: str, keys: set[UUID]) -> dict[UUID, bytes | None]:
        return {key: self.states.get(key) for key in keys}

    async def store(self, connection: object, policy: str, changed: Mapping[UUID, bytes | None]) -> None:
        self.states |= changed

    async def metadata(self, event: RecordedEvent) -> Metadata:
        correlation_id = None if event.position == 1 else UUID(int=90)
        return Metadata(UUID(int=80 + event.position), 1, Party("user", AUTHOR), correlation_id=correlation_id)

    async def enqueue(self, connection: object, jobs: Sequence[Job], causes: Sequence[Cause]) -> None:
        self.jobs.append([job.effect_key for job in jobs])
        self.causes += causes

    def consumer(self, policy: Policy, size: BatchSize | None = None) -> PolicyConsumer:
        async def send(*_: object) -> None:
            pytest.fail("sent")

        return PolicyConsumer(policy, PolicyParts(send, self.enqueue, STAMPS), size or BatchSize())


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Written:
    return Written(monkeypatch)


NOTHING = cast(Any, None)


async def test_a_batch_writes_all_its_jobs_at_once(written: Written) -> None:
    one, two = note(1, "a"), note(2)
    two.show_to(UUID(int=5), "ada@example.org")
    assert await written.consumer(ANNOUNCE).apply(NOTHING, MemoryFeed(news(one, two)).events) == []
    assert written.jobs == [[f"{one.id}:1", f"{one.id}:2", f"{two.id}:1"]]
    requests = (81, 90, 90)
    assert written.causes == [Cause(UUID(int=id), UUID(int=81 + number)) for number, id in enumerate(requests)]


async def test_a_batch_without_its_events_touches_nothing(written: Written) -> None:
    shown = note(1)
    shown.show_to(UUID(int=5), "ada@example.org")
    events = MemoryFeed(news(shown)).events[1:]
    assert await written.consumer(ANNOUNCE).apply(cast(Any, object()), events) == []
    assert (written.jobs, written.states) == ([], {})


async def test_quarantined_streams_are_left_out(written: Written) -> None:
    await written.consumer(ANNOUNCE).apply(NOTHING, MemoryFeed(news(note(1), note(2))).events, {UUID(int=1)})
    assert written.jobs == [[f"{UUID(int=2)}:1"]]


async def test_an_unreadable_event_stops_its_stream_if_the_policy_wants_its_type(written: Written) -> None:
    first, second, third = MemoryFeed(news(note(1, "a", "b"))).events
    events = [first, replace(second, data=Undecodable("Damage")), third]
    [poison] = await written.consumer(ANNOUNCE).apply(NOTHING, events)
    assert (poison.position, poison.error) == (2, "Unreadable")
    assert written.jobs == [[f"{UUID(int=1)}:1"]]
    assert await written.consumer(ANNOUNCE).apply(NOTHING, [replace(second, topic="other", data=events[1].data)]) == []


async def test_a_key_that_cannot_be_made_stops_its_stream(written: Written) -> None:
    def key(event: Note.Written) -> UUID:
        raise LookupError("no key")

    keyed = Policy("keyed", COUNT.events, COUNT.react, COUNT.state, key, "end", ())
    [poison] = await written.consumer(keyed).apply(NOTHING, MemoryFeed(news(note(1, "a"))).events)
    assert (poison.position, poison.error) == (1, "LookupError")


async def test_states_are_kept_from_batch_to_batch(written: Written) -> None:
    events = MemoryFeed(news(note(1, "a", "b"))).events
    consumer = written.consumer(COUNT)
    for event in events:
        await consumer.apply(NOTHING, [event])
    assert written.jobs == [[f"{UUID(int=1)}:3"]]


async def test_batches_shrink_while_commands_take_too_long(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    size = BatchSize()
    monkeypatch.setattr(reactions, "MAX_SECONDS", 0.0)
    with pytest.raises(BatchPostponed):
        await written.consumer(ANNOUNCE, size).apply(NOTHING, MemoryFeed(news(note(1))).events)
    assert size.value == MAX_BATCH // 2
    monkeypatch.undo()
    Written(monkeypatch)
    await written.consumer(ANNOUNCE, size).apply(NOTHING, MemoryFeed(news(note(1))).events)
    assert size.value == MAX_BATCH


def test_a_batch_has_one_event_at_least() -> None:
    size = BatchSize(2)
    for _ in range(3):
        size.shrink()
    assert size.value == 1


def test_a_policy_is_never_rebuilt(written: Written) -> None:
    async def send(*_: object) -> None: ...

    consumers = PolicyConsumers([ANNOUNCE, MIRROR], PolicyParts(send, written.enqueue, STAMPS))
    assert consumers.rebuild("mirror", Checkpoint("mirror", 0, 0), 10**6) is None
    assert [member.name for member in consumers.members] == ["announce", "mirror"]
    assert consumers.batch_size == MAX_BATCH
