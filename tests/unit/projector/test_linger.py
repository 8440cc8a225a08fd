"""When a projector lingers so that a batch fills, and when it does not."""

import pytest

from infra.projector.pacing import LINGER_SECONDS, MIN_LINGER_EVENTS, linger
from infra.projector.read_models import BATCH


@pytest.mark.parametrize("events", [1, MIN_LINGER_EVENTS - 1])
def test_after_a_few_events_the_next_round_begins_at_once(events: int) -> None:
    assert linger(events, 0.001, BATCH) == 0


@pytest.mark.parametrize("events", [MIN_LINGER_EVENTS, BATCH - 1])
def test_while_events_come_in_numbers_rounds_begin_no_more_often_than_is_worth_it(events: int) -> None:
    assert linger(events, 0.01, BATCH) == pytest.approx(LINGER_SECONDS - 0.01)
    assert linger(events, LINGER_SECONDS * 2, BATCH) == 0


def test_a_projector_that_is_behind_does_not_linger() -> None:
    assert linger(BATCH, 0.001, BATCH) == 0


def test_lingering_leaves_time_for_events_that_must_be_visible_within_50_milliseconds() -> None:
    assert LINGER_SECONDS < 0.05
