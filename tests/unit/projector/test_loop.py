"""Projector loop: how it starts from a checkpoint, for how long it pauses, and how it goes on after failures."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest

from infra.errors import SetupError
from infra.projector import loop, pacing
from infra.projector.checkpoints import Checkpoint
from infra.projector.loop import ConsumerState, ProjectorLoop
from infra.projector.pacing import LOCKED_SECONDS, MAX_BACK_OFF_SECONDS, POLL_SECONDS, STANDBY_SECONDS
from infra.projector.read_models import MIN_REBUILD_EVENTS, ReadModels
from infra.projector.rebuild.rebuild import RebuildRunning
from infra.projector.table_writer import TableWriter
from projections.kernel import ReadModel, Table
from tests.support.memory_projector import run_to_its_end
from tests.support.notes import Notes

NOW = 1_000.0


class Third(Notes):
    """Version 3 of the notes."""

    version = 3


class Loop(ProjectorLoop):
    """A loop whose rounds a test writes: each entry of `rounds` is raised, or None for a round that went well."""

    def __init__(self, *models: ReadModel, rounds: Sequence[Exception | None] = ()) -> None:
        self.rebuilt: list[ReadModel] = []
        self.rounds = list(rounds)
        self.error: Exception | None = None
        super().__init__(ReadModels(models, self.rebuild), cast(Any, None), "")

    async def rebuild(self, model: ReadModel) -> None:
        self.rebuilt.append(model)
        if self.error is not None:
            raise self.error

    async def _round(self) -> None:
        if not self.rounds:
            raise asyncio.CancelledError
        error = self.rounds.pop(0)
        for state in self._states:
            state.position = 5
        if error is not None:
            raise error

    @property
    def state(self) -> ConsumerState:
        return self._states[0]

    @property
    def states(self) -> list[ConsumerState]:
        return self._states

    def poll_timeout(self) -> float:
        return self._poll_timeout()

    async def start_from(self, checkpoint: Checkpoint, head: int = 10) -> ConsumerState:
        """Start the only read model from its checkpoint, and wait for the rebuild that this may begin."""
        self._start_from(self.state, checkpoint, head)
        if self.state.rebuilding is not None:
            await self.state.rebuilding
        return self.state

    async def apply(self, failing: set[str], error: Exception) -> list[tuple[list[str], bool]]:
        """Apply a batch that fails if one of the `failing` read models is in it. Returns what was tried."""
        tried = []

        async def attempt(states: Sequence[ConsumerState], carefully: bool) -> None:
            tried.append(([state.name for state in states], carefully))
            if failing & {state.name for state in states}:
                raise error

        await self._apply_or_isolate(self._states, attempt)
        return tried


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that stands, and no jitter."""
    monkeypatch.setattr(loop, "monotonic", lambda: NOW)
    monkeypatch.setattr("random.uniform", lambda _, most: most)


def paused(state: ConsumerState) -> tuple[int | None, int | None, float]:
    """What is known of the position, and until when it rests."""
    return state.position, state.last_seen, state.paused_until


def notes(position: int, version: int = 3) -> Checkpoint:
    return Checkpoint("notes", version, position)


async def test_a_read_model_goes_on_where_its_checkpoint_is() -> None:
    state = await Loop(Third()).start_from(notes(4))
    assert (state.position, state.paused_until, state.superseded) == (4, 0.0, False)


async def test_a_table_of_newer_code_is_left_alone() -> None:
    projector = Loop(Third())
    state = await projector.start_from(notes(4, version=4))
    assert (state.position, state.superseded, projector.rebuilt) == (None, True, [])


async def test_a_table_of_older_code_is_rebuilt_and_then_read_again_at_once() -> None:
    projector = Loop(Third())
    state = await projector.start_from(notes(4, version=2))
    assert [model.name for model in projector.rebuilt] == [state.name]
    assert (state.rebuilding, state.position, state.last_seen, state.paused_until) == (None, None, None, NOW)


@pytest.mark.parametrize(
    ("position", "head", "rebuilds"),
    [(0, MIN_REBUILD_EVENTS, True), (0, MIN_REBUILD_EVENTS - 1, False), (1, MIN_REBUILD_EVENTS, False)],
)
async def test_an_empty_table_is_rebuilt_where_the_log_is_long(position: int, head: int, rebuilds: bool) -> None:
    projector = Loop(Third())
    state = await projector.start_from(notes(position), head)
    assert bool(projector.rebuilt) == rebuilds
    assert state.position == (None if rebuilds else position)


@pytest.mark.parametrize(
    ("error", "pause", "failures"),
    [(RebuildRunning("notes"), STANDBY_SECONDS, 0), (ValueError("any"), 0.1, 1)],
)
async def test_a_rebuild_that_is_refused_or_fails_is_tried_again_later(
    error: Exception, pause: float, failures: int
) -> None:
    projector = Loop(Third())
    projector.error = error
    state = await projector.start_from(notes(4, version=2))
    assert (state.rebuilding, state.failures, state.paused_until) == (None, failures, NOW + pause)


async def test_while_another_projector_moves_the_checkpoint_this_one_stands_by() -> None:
    projector = Loop(Third())
    state = projector.state
    state.position = 4
    state.lost_to_other(notes(6))
    assert paused(state) == (None, 6, NOW + STANDBY_SECONDS)
    await projector.start_from(notes(8))
    assert paused(state) == (None, 8, NOW + STANDBY_SECONDS)
    await projector.start_from(notes(8))
    assert state.position == 8


async def test_a_locked_checkpoint_is_tried_again_soon() -> None:
    projector = Loop(Third())
    state = projector.state
    state.position, state.partition_positions = 4, {0: 4}
    state.lost_to_other(None)
    assert paused(state) == (None, 4, NOW + LOCKED_SECONDS)
    assert state.partition_positions == {}
    assert (await projector.start_from(notes(4))).position == 4


async def test_failures_in_a_row_pause_longer_each_time_and_forget_the_position() -> None:
    state = ConsumerState(TableWriter(Third()), "projection", position=4)
    pauses = []
    for _ in range(9):
        state.failed(ValueError("any"))
        pauses.append(round(state.paused_until - NOW, 3))
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0]
    assert (state.position, state.last_seen, state.failures) == (None, None, 9)


def test_the_longest_pause_has_a_bound_however_many_failures_there_were() -> None:
    assert pacing.back_off(10**9) == MAX_BACK_OFF_SECONDS


def test_jitter_takes_at_most_half_of_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda least, _: least)
    assert pacing.back_off(2) == pytest.approx(0.1)


def test_a_checkpoint_of_another_position_or_version_is_not_as_it_was_left() -> None:
    state = ConsumerState(TableWriter(Third()), "projection", position=4)
    assert [state.is_at(each) for each in (notes(4), notes(5), notes(4, version=2))] == [True, False, False]


@pytest.mark.parametrize(
    ("paused_until", "expected"),
    [(NOW + 0.25, 0.25), (NOW + 9, POLL_SECONDS), (NOW, POLL_SECONDS), (NOW + 1e-9, 0.001)],
)
def test_the_loop_waits_until_a_paused_read_model_is_due(paused_until: float, expected: float) -> None:
    projector = Loop(Third())
    projector.state.paused_until = paused_until
    assert projector.poll_timeout() == pytest.approx(expected)


def test_the_loop_does_not_wake_for_a_read_model_that_is_not_paused_or_superseded() -> None:
    projector = Loop(Third(), Third())
    running, superseded = projector.states
    running.position = 4
    superseded.superseded = True
    for state in projector.states:
        state.paused_until = NOW + 0.25
    assert projector.poll_timeout() == POLL_SECONDS


async def test_a_round_that_fails_is_repeated_later_and_a_good_one_ends_the_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    seen: list[int | None] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        seen.append(projector.state.position)

    monkeypatch.setattr(loop, "asyncio", SimpleNamespace(sleep=sleep, gather=asyncio.gather))
    error = ValueError("any")
    projector = Loop(Third(), rounds=[error, SetupError("any"), None, error])
    await run_to_its_end(projector)
    assert slept == [0.1, 0.2, 0.1]
    assert seen == [None, None, None]


class Other(Notes):
    """Another read model."""

    table = Table("other", key=Notes.table.key, columns=Notes.table.columns)


async def test_of_a_batch_that_fails_each_read_model_is_tried_alone_and_only_the_broken_one_pauses() -> None:
    projector = Loop(Third(), Other())
    tried = await projector.apply({"other"}, ValueError("any"))
    assert tried == [(["notes", "other"], False), (["notes"], True), (["other"], True)]
    assert [state.failures for state in projector.states] == [0, 1]


async def test_an_outage_is_the_fault_of_no_read_model() -> None:
    projector = Loop(Third(), Other())
    with pytest.raises(psycopg.OperationalError):
        await projector.apply({"other"}, psycopg.OperationalError("gone"))
    assert [state.failures for state in projector.states] == [0, 0]
