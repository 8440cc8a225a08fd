"""When a projector lets events gather, and when it does not."""

import pytest

from infra.projector.log_projector import BATCH, BREATH_SECONDS, MANY, breath


@pytest.mark.parametrize("events", [1, MANY - 1])
def test_what_comes_alone_is_followed_up_at_once(events: int) -> None:
    assert breath(events, 0.001) == 0


@pytest.mark.parametrize("events", [MANY, BATCH - 1])
def test_while_events_come_in_numbers_rounds_begin_no_more_often_than_is_worth_it(events: int) -> None:
    assert breath(events, 0.01) == pytest.approx(BREATH_SECONDS - 0.01)
    assert breath(events, BREATH_SECONDS * 2) == 0


def test_who_is_behind_takes_no_breath() -> None:
    assert breath(BATCH, 0.001) == 0


def test_a_breath_leaves_time_for_what_must_be_visible_within_50_milliseconds() -> None:
    assert BREATH_SECONDS < 0.05
