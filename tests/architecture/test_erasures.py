"""Erasures: what the store and the bus rely on, for every aggregate. Each rule is broken here on purpose."""

from dataclasses import fields
from uuid import UUID

import pytest

from domain.kernel import AboutAddress, FirstEvent, Party, Personal, Root, events_of
from infra.store.codec import STREAM, layout_of
from infra.store.snapshot_codec import is_personal
from tests.support.given import ENVELOPE, ID, NOW, state
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
    """An aggregate with personal fields that nothing erases, and with words of another subject in its state."""

    class Sent(FirstEvent):
        TOPIC = "letter.sent"
        text: Personal[str]
        address_id: UUID
        greeting: AboutAddress[str]

        def apply(self, aggregate: Root) -> None:
            self.assign(aggregate)

    @classmethod
    def of(cls, address_id: UUID, greeting: str) -> "Letter":
        tenant = Party("user", ID)
        return cls.start_stream(
            cls.Sent, id=ID, tenant=tenant, now=NOW, text="...", address_id=address_id, greeting=greeting
        )


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


def words_of_others(root: Root) -> set[str]:
    """The personal words of other subjects in its events that its state holds: a snapshot would keep them for good."""
    events = [event for event in root.pending_events if isinstance(event, Root.Event)]
    words = {
        getattr(event, name)
        for event in events
        for group in layout_of(type(event)).groups
        if group.subject != STREAM
        for name in group.names
    }
    held = repr(state(root))
    return {word for word in words if word in held}


@pytest.mark.parametrize("root", LIVES, ids=lambda root: type(root).__name__)
def test_no_state_holds_what_the_key_of_another_subject_seals(root: Root) -> None:
    assert words_of_others(root) == set()


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
    assert words_of_others(Letter.of(UUID(int=7), "Dear Ada")) == {"Dear Ada"}
