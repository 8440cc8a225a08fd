"""What every aggregate rests on."""

from uuid import UUID

import pytest

from domain.kernel import Conflict, Forbidden, Invalid, NotFound, Refusal
from tests.support.given import ID, NOW, fact, given, new_events, replayed, state
from tests.support.note import AUTHOR, Note

WRITTEN = fact(Note.Written, text="first", label="a", author_id=AUTHOR, colour="yellow")


class ThreeWordsLong(Conflict):
    """A refusal like any other."""


def test_a_root_begins_with_its_first_event_pending() -> None:
    note = Note.write(ID, "first", label="a")
    assert new_events(note) == [WRITTEN]
    assert (note.id, note.version, note.created_on, note.modified_on) == (ID, 1, NOW, NOW)


def test_each_event_raises_the_version_and_moves_the_time() -> None:
    note = given(Note, WRITTEN)
    note.extend("second")
    note.extend("third")
    assert note.version == 3
    assert [event.originator_version for event in note.pending_events] == [2, 3]
    assert new_events(note) == [fact(Note.Extended, line="second"), fact(Note.Extended, line="third")]


def test_history_alone_gives_back_the_state() -> None:
    note = Note.write(ID, "first")
    note.extend("second")
    note.relabel("b")
    note.show_to(UUID(int=7), "a@example.org")
    assert state(replayed(note)) == state(note)


def test_a_loaded_root_has_no_pending_events() -> None:
    assert new_events(given(Note, WRITTEN, fact(Note.Extended, line="second"))) == []


def test_two_roots_share_no_state() -> None:
    one, other = given(Note, WRITTEN), given(Note, WRITTEN)
    one.extend("second")
    assert other.lines == ["first"]


def test_events_do_not_change() -> None:
    note = given(Note, WRITTEN)
    note.extend("second")
    with pytest.raises(AttributeError):
        note.pending_events[0].line = "third"  # type: ignore[attr-defined]


def test_a_misspelt_field_fails_at_once() -> None:
    note = given(Note, WRITTEN)
    with pytest.raises(TypeError):
        note.trigger_event(Note.Extended, now=NOW, lime="second")


def test_an_event_knows_the_root_it_belongs_to() -> None:
    assert Note.Extended.root is Note
    assert Note.Written.root is Note


def test_an_event_claims_and_releases_nothing_by_default() -> None:
    note = given(Note, WRITTEN)
    note.extend("second")
    event = note.pending_events[0]
    assert isinstance(event, Note.Extended)
    assert (list(event.claims()), list(event.releases())) == ([], [])


def test_a_refusal_has_a_stable_code_and_says_what_to_do() -> None:
    refusal = ThreeWordsLong("Wait.")
    assert (refusal.code, refusal.detail, str(refusal)) == ("three_words_long", "Wait.", "Wait.")


@pytest.mark.parametrize("base", [Invalid, Forbidden, NotFound, Conflict])
def test_there_are_four_bases_of_refusal(base: type[Refusal]) -> None:
    assert base.__bases__ == (Refusal,)
