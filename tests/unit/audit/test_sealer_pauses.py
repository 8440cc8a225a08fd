"""How long a sealer waits after a page: for more events, or so that others can append."""

import pytest

from infra.audit.sealer import LINGER_SECONDS, MAX_YIELD_SECONDS, pause_after


@pytest.mark.parametrize("took", [0.01, 0.2, MAX_YIELD_SECONDS])
def test_a_sealer_that_is_behind_leaves_others_as_much_time_as_it_takes(took: float) -> None:
    assert pause_after(took, has_backlog=True, appended=True) == took


def test_a_slow_page_does_not_make_it_fall_further_behind() -> None:
    assert pause_after(30.0, has_backlog=True, appended=True) == MAX_YIELD_SECONDS


def test_a_log_that_does_not_grow_is_sealed_without_pauses() -> None:
    assert pause_after(0.2, has_backlog=True, appended=False) == 0


@pytest.mark.parametrize("appended", [True, False])
def test_a_sealer_that_keeps_up_signs_at_most_once_in_its_linger(appended: bool) -> None:
    assert pause_after(0.1, has_backlog=False, appended=appended) == pytest.approx(LINGER_SECONDS - 0.1)
    assert pause_after(2.0, has_backlog=False, appended=appended) == 0
