"""Erasing events: what the store and the bus rely on, for every aggregate. Each rule is broken here on purpose."""

from dataclasses import fields

import pytest

from domain.kernel import Personal, Root, events_of
from infra.store.snapshot_codec import is_personal
from tests.support.given import ENVELOPE, ID, NOW
from tests.support.lives import LIVES

ROOTS = sorted({type(root) for root in LIVES}, key=lambda root: root.__name__)


class Diary(Root):
    """An aggregate that breaks both rules."""

    class Torn(Root.Event):
        TOPIC = "diary.torn"
        erases = True

        def apply(self, aggregate: Root) -> None:
            """Forget to set `erased`."""

    class Burnt(Root.Event):
        TOPIC = "diary.burnt"
        erases = True
        page: Personal[str]

        def apply(self, aggregate: Root) -> None:
            aggregate.erased = True


class Letter(Root):
    """An aggregate with personal fields that nothing erases."""

    class Sent(Root.Event):
        TOPIC = "letter.sent"
        text: Personal[str]


def keeps_its_contract(event: type[Root.Event]) -> bool:
    """Whether an erasing event has no fields of its own, and its `apply` sets `erased` without any state."""
    if {field.name for field in fields(event)} != ENVELOPE:
        return False
    erasing = event(originator_id=ID, originator_version=2, timestamp=NOW)
    root = event.root.shell(erasing)
    erasing.apply(root)
    return root.erased


def can_be_erased(root: type[Root]) -> bool:
    """Whether an event destroys the key of the personal fields about the aggregate; True without such fields."""
    return not is_personal(root) or any(event.erases for event in events_of(root))


@pytest.mark.parametrize(
    "event",
    [event for root in ROOTS for event in events_of(root) if event.erases],
    ids=lambda event: event.__qualname__,
)
def test_an_erasing_event_has_no_fields_and_erases_without_any_state(event: type[Root.Event]) -> None:
    assert keeps_its_contract(event)


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.__name__)
def test_an_aggregate_with_personal_fields_under_its_own_key_can_be_erased(root: type[Root]) -> None:
    assert can_be_erased(root)


def test_breaches_are_found() -> None:
    assert not keeps_its_contract(Diary.Torn)
    assert not keeps_its_contract(Diary.Burnt)
    assert can_be_erased(Diary)
    assert not can_be_erased(Letter)
