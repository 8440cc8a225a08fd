"""How long a projector pauses a read model: after a failure, behind a lock, beside another projector."""

from typing import Any

import pytest

from infra.projector.checkpoints import Checkpoint
from infra.projector.loop import ConsumerState, ProjectorLoop
from infra.projector.pacing import LOCKED_SECONDS, MAX_BACK_OFF_SECONDS, POLL_SECONDS, STANDBY_SECONDS, back_off
from infra.projector.read_models import ReadModels
from infra.projector.table_writer import TableWriter
from tests.support.notes import Notes
from tests.support.projecting import MemoryFeed

NOW = 1_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that always shows the same time."""
    monkeypatch.setattr("infra.projector.loop.monotonic", lambda: NOW)


def state(position: int = 7) -> ConsumerState:
    """A read model at a position."""
    return ConsumerState(TableWriter(Notes()), "projection", position)


class Loop(ProjectorLoop):
    """A projector of one read model, without a database."""

    def __init__(self) -> None:
        nothing: Any = None
        super().__init__(ReadModels([Notes()], nothing), MemoryFeed(), "")
        [self.state] = self._states

    def start_from(self, position: int) -> None:
        """Read a checkpoint of the code's version."""
        self._start_from(self.state, Checkpoint("notes", Notes.version, position), head=10)

    def timeout(self) -> float:
        """Return how long to wait for events."""
        return self._poll_timeout()


@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (6, 3.2), (7, MAX_BACK_OFF_SECONDS), (10_000, 5.0)]
)
def test_pauses_grow_with_the_failures_in_a_row_up_to_a_bound(failures: int, longest: float) -> None:
    pauses = [back_off(failures) for _ in range(100)]
    assert longest / 2 <= min(pauses) < max(pauses) <= longest


def test_a_failed_read_model_pauses_and_then_reads_its_checkpoint_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.projector.loop.back_off", lambda failures: failures * 10.0)
    failing = state()
    failing.failed(ZeroDivisionError())
    assert (failing.position, failing.last_seen, failing.paused_until) == (None, None, NOW + 10)
    failing.failed(ZeroDivisionError())
    assert failing.paused_until == NOW + 20


def test_behind_a_lock_a_read_model_pauses_for_a_moment() -> None:
    locked = state()
    locked.lost_to_other(None)
    assert (locked.position, locked.last_seen, locked.paused_until) == (None, 7, NOW + LOCKED_SECONDS)


def test_a_read_model_that_another_projector_has_moved_stands_by() -> None:
    moved = state()
    moved.lost_to_other(Checkpoint("notes", 1, 9))
    assert (moved.position, moved.last_seen, moved.paused_until) == (None, 9, NOW + STANDBY_SECONDS)


def test_it_stands_by_while_the_checkpoint_moves_and_takes_over_when_it_does_not() -> None:
    loop = Loop()
    loop.state.last_seen = 7
    loop.start_from(9)
    assert (loop.state.position, loop.state.last_seen, loop.state.paused_until) == (None, 9, NOW + STANDBY_SECONDS)
    loop.start_from(9)
    assert loop.state.position == 9


@pytest.mark.parametrize(
    ("paused_until", "timeout"),
    [(0.0, POLL_SECONDS), (NOW + 0.25, 0.25), (NOW + 60, POLL_SECONDS), (NOW + 0.0001, 0.001)],
)
def test_a_projector_waits_for_events_until_a_pause_ends(paused_until: float, timeout: float) -> None:
    loop = Loop()
    loop.state.paused_until = paused_until
    assert loop.timeout() == pytest.approx(timeout)
    loop.state.superseded = True
    assert loop.timeout() == POLL_SECONDS
