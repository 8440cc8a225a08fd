"""What one request caused, as a tree."""

from dataclasses import replace
from uuid import UUID

from application.travel.causes import in_order
from application.travel.views import EventView
from tests.support.given import ID, NOW


def event(position: int, cause: int | None = None) -> EventView:
    """An event whose id is its position."""
    causation_id = None if cause is None else UUID(int=cause)
    view = EventView(position, "note", ID, position, "note.written", NOW, 100, "", None, None)
    return replace(view, event_id=UUID(int=position), causation_id=causation_id)


def tree(*events: EventView) -> list[tuple[int, int, int | None]]:
    return [(each.depth, each.event.position, each.caused_by) for each in in_order(events)]


def test_events_stand_below_their_causes_in_the_order_of_the_log() -> None:
    found = tree(event(1), event(2), event(3, 1), event(4, 2), event(5, 3), event(6, 1))
    assert found == [(0, 1, None), (1, 3, 1), (2, 5, 3), (1, 6, 1), (0, 2, None), (1, 4, 2)]


def test_an_event_whose_cause_is_not_among_them_is_at_the_top() -> None:
    assert tree(event(7, 3)) == [(0, 7, None)]


def test_a_log_that_was_changed_makes_no_circle() -> None:
    assert tree(event(1, 2), event(2, 1), event(3, 3)) == [(0, 1, None), (1, 2, 1), (0, 3, None)]


def test_a_long_chain_is_no_deep_recursion() -> None:
    found = tree(event(1), *[event(position, position - 1) for position in range(2, 2_001)])
    assert found[-1] == (1_999, 2_000, 1_999)
