"""Reactions to a batch: lanes in order, commands before jobs, and failures that stop what they must and no more."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast
from uuid import UUID

import pytest

from application.commands import Command
from application.policy import Policy
from application.ports import AnswerExpired, Busy, CommandContext, InFlight, NotSettled, OutcomeUnknown, Unavailable
from domain.kernel import NotFound, Party
from infra.policies import reactions
from infra.policies.reactions import Reactions, StagedEvent, lanes
from infra.policies.states import encode
from infra.projector.consumers import BatchPostponed
from infra.store.event_bytes import Metadata
from projections.kernel import Poison
from tests.support.mirror import ANNOUNCE, COUNT, COUNT_ALL, MIRROR, Announce, NotThisLine, Reflect, Seen
from tests.support.note import AUTHOR, Note
from tests.support.notes import note
from tests.support.projecting import MemoryFeed, news

CAUSE = Metadata(UUID(int=70), 1, Party("user", AUTHOR), correlation_id=UUID(int=71), traceparent="00-trace")


class Sent:
    """A bus that notes what it gets. `behave` may raise, or wait."""

    def __init__(self, behave: Callable[[Reflect], Any] = lambda command: None) -> None:
        self.behave = behave
        self.commands: list[Reflect] = []
        self.contexts: list[CommandContext] = []

    async def __call__(self, command: Command[Any], context: CommandContext) -> None:
        assert isinstance(command, Reflect)
        found = self.behave(command)
        if asyncio.iscoroutine(found):
            await found
        self.commands.append(command)
        self.contexts.append(context)

    @property
    def keys(self) -> list[str | None]:
        return [context.idempotency_key for context in self.contexts]


class Causes:
    """The metadata of events: the same for all."""

    async def of(self, event: object) -> Metadata:
        return CAUSE


def staged(policy: Policy, *notes: Note) -> list[StagedEvent]:
    """The pending events of the notes, one after the other."""
    events = MemoryFeed(news(*notes)).events
    return [StagedEvent(event, cast(Any, event.data), policy.key(event.data)) for event in events]


async def run(
    policy: Policy, batch: Sequence[StagedEvent], send: Sent | None = None, **states: bytes
) -> tuple[Reactions, dict[UUID, Poison]]:
    """React to a batch. `states`: by name of the note, like `note_1`."""
    kept: dict[UUID, bytes | None] = {UUID(int=int(name[5:])): state for name, state in states.items()}
    poisons: dict[UUID, Poison] = {}
    made = Reactions(policy, send or Sent(), cast(Any, Causes()), kept, poisons)
    await made.run(batch)
    return made, poisons


def raising(error: Exception, line: str = "!") -> Sent:
    """A bus that refuses commands about this line."""

    def behave(command: Reflect) -> None:
        if command.line == line:
            raise error

    return Sent(behave)


async def test_a_lane_is_a_stream_and_keeps_its_order() -> None:
    one, two = note(1, "a", "b"), note(2, "a")
    found = lanes(sorted(staged(ANNOUNCE, one, two), key=lambda each: each.event.version))
    assert [[(each.event.stream_id.int, each.event.version) for each in lane] for lane in found] == [
        [(1, 1), (1, 2), (1, 3)],
        [(2, 1), (2, 2)],
    ]


async def test_streams_that_share_a_state_are_one_lane() -> None:
    batch = staged(COUNT_ALL, note(1), note(2), note(3))
    assert [len(lane) for lane in lanes(batch)] == [3]
    keys = [UUID(int=number) for number in (91, 92, 91)]
    keyed = [StagedEvent(each.event, each.data, key) for each, key in zip(batch, keys, strict=True)]
    assert sorted(len(lane) for lane in lanes(keyed)) == [1, 2]


async def test_commands_are_sent_with_a_key_and_a_cause() -> None:
    send = Sent()
    await run(MIRROR, staged(MIRROR, note(1, "twice", "b")), send)
    assert send.keys == ["policy:mirror:1:0", "policy:mirror:2:0", "policy:mirror:2:1", "policy:mirror:3:0"]
    assert {(call.actor, call.correlation_id, call.causation_id, call.traceparent) for call in send.contexts} == {
        (None, UUID(int=71), UUID(int=70), "00-trace")
    }


async def test_an_event_without_a_correlation_begins_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def bare(self: Causes, event: object) -> Metadata:
        return Metadata(UUID(int=70), 1, Party("user", AUTHOR))

    monkeypatch.setattr(Causes, "of", bare)
    send = Sent()
    await run(MIRROR, staged(MIRROR, note(1)), send)
    assert [call.correlation_id for call in send.contexts] == [UUID(int=70)]


async def test_jobs_come_in_the_order_of_the_events_whichever_lane_is_faster() -> None:
    def slow_first(command: Reflect) -> Any:
        return asyncio.sleep(0.01 if command.note_id.int == 1 else 0)

    made, _ = await run(MIRROR, staged(MIRROR, note(1), note(2)), Sent(slow_first))
    assert [cast(Announce, job).note_id.int for job, _ in made.jobs] == [1, 2]


async def test_streams_do_not_wait_for_each_other() -> None:
    other_is_done = asyncio.Event()

    def behave(command: Reflect) -> Any:
        if command.note_id.int == 1:
            return other_is_done.wait()
        other_is_done.set()
        return None

    made, poisons = await run(MIRROR, staged(MIRROR, note(1), note(2)), Sent(behave))
    assert (len(made.jobs), poisons) == (2, {})


async def test_a_refusal_stops_its_stream_without_the_jobs_of_its_event() -> None:
    send = raising(NotThisLine("no"))
    made, poisons = await run(MIRROR, staged(MIRROR, note(1, "!", "b"), note(2, "c")), send)
    assert [(poison.stream_id.int, poison.position, poison.error) for poison in poisons.values()] == [
        (1, 2, "NotThisLine")
    ]
    assert sorted(job.effect_key[-3:] for job, _ in made.jobs) == ["1:1", "2:1", "2:2"]
    assert [command.line for command in send.commands if command.note_id.int == 1] == [""]


@pytest.mark.parametrize("error", [NotFound("gone"), AnswerExpired("done"), NotSettled("done")])
async def test_a_command_with_nothing_left_to_do_is_settled(error: Exception) -> None:
    made, poisons = await run(MIRROR, staged(MIRROR, note(1, "!", "b")), raising(error))
    assert (len(made.jobs), poisons) == (3, {})


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (Unavailable("The database"), Unavailable),
        (OutcomeUnknown("The database"), OutcomeUnknown),
        (Busy("busy"), BatchPostponed),
        (InFlight("in flight"), BatchPostponed),
    ],
)
async def test_an_obstacle_ends_the_batch_and_blames_no_event(error: Exception, raised: type[Exception]) -> None:
    send = raising(error)
    with pytest.raises(raised):
        await run(MIRROR, staged(MIRROR, note(1, "!", "b")), send)
    assert [command.line for command in send.commands] == [""]


async def test_commands_that_take_too_long_end_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reactions, "MAX_SECONDS", 0.01)
    with pytest.raises(TimeoutError):
        await run(MIRROR, staged(MIRROR, note(1)), Sent(lambda _: asyncio.sleep(60)))


async def test_a_policy_that_raises_leaves_the_state_as_it_was() -> None:
    def react(event: Note.Extended, seen: Seen) -> Any:
        seen.lines += 1
        raise RuntimeError("not this one")

    broken = Policy("broken", COUNT.events, react, Seen, COUNT.key, "end", ())
    made, poisons = await run(broken, staged(broken, note(1, "a"))[1:], note_1=encode(Seen(1)) or b"")
    assert (made.changed, [poison.error for poison in poisons.values()]) == ({}, ["RuntimeError"])


async def test_a_state_goes_from_event_to_event_and_only_changes_are_stored() -> None:
    made, _ = await run(COUNT, staged(COUNT, note(1, "a")), note_1=encode(Seen(1, "odd")) or b"")
    assert made.changed == {UUID(int=1): encode(Seen())}
    assert [job.effect_key for job, _ in made.jobs] == [f"{UUID(int=1)}:2"]
    gone = note(2)
    gone.relabel("other")
    made, _ = await run(COUNT, staged(COUNT, gone))
    assert made.changed == {UUID(int=2): None}


async def test_a_state_of_another_shape_stops_its_stream() -> None:
    _, poisons = await run(COUNT, staged(COUNT, note(1)), note_1=b"\xc0")
    assert [poison.error for poison in poisons.values()] == ["ValidationError"]


async def test_what_is_neither_a_job_nor_a_command_is_refused() -> None:
    wrong = Policy("wrong", MIRROR.events, lambda event: ["text"], None, MIRROR.key, "end", ())
    _, poisons = await run(wrong, staged(wrong, note(1)))
    assert [poison.error for poison in poisons.values()] == ["TypeError"]
