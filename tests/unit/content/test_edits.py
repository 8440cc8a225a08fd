"""Edits of a content by offset: what they leave, what they store, and what is refused in words."""

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from domain.access import RoleTooLow
from domain.content import delta
from domain.content.document import Document
from domain.content.edits import Edit, delta_of, edit
from domain.content.refusals import DocumentIsArchived, DocumentIsTrashed, UnusableEdits
from domain.content.texts import CONTENT_LENGTH
from domain.kernel import NotFound
from domain.text import UnusableText
from tests.support.given import ID, NOW, address_of, fact, given, new_events, person
from tests.support.saves import created, saved

ADA, VIEWER, STRANGER = map(person, range(1, 4))
CONTENT = "one two three"
CREATED = created("Title", CONTENT, ADA.user_id)
TRAPS = "ab\r\n e\N{COMBINING ACUTE ACCENT}\N{OTTER}\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}"
TEXTS = st.text(TRAPS, max_size=12) | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@st.composite
def edits_of(draw: st.DrawFn, content: str) -> list[Edit]:
    """Edits of a content, in order and apart."""
    offsets = sorted(draw(st.lists(st.integers(0, len(content)), max_size=8)))
    pairs = zip(offsets[::2], offsets[1::2], strict=False)
    return [Edit(start, end - start, draw(TEXTS)) for start, end in pairs]


def edited(content: str, edits: list[Edit]) -> str:
    """The content with the edits, made from the last one on, so that no offset moves."""
    for each in reversed(edits):
        content = content[: each.at] + each.insert + content[each.at + each.delete :]
    return content


@forall(TEXTS, st.data())
def test_edits_leave_what_they_say_whatever_the_characters(content: str, data: st.DataObject) -> None:
    edits = data.draw(edits_of(content))
    assert delta.apply(content, delta_of(content, edits)) == edited(content, edits)


@forall(TEXTS, st.data())
def test_a_delta_of_edits_holds_no_more_than_the_edits(content: str, data: st.DataObject) -> None:
    edits = data.draw(edits_of(content))
    inserted, deleted = delta.count(delta_of(content, edits))
    assert inserted <= sum(len(each.insert) for each in edits)
    assert deleted <= sum(each.delete for each in edits)


@pytest.mark.parametrize(
    ("edits", "steps", "length"),
    [
        ([Edit(4, 3, "2")], [4, -3, "2"], 11),
        ([Edit(0, 13, "one 2 three")], [4, -3, "2"], 11),
        ([Edit(0, 3, "1"), Edit(8, 5, "3")], [-3, "1", 5, -5, "3"], 7),
        ([Edit(3, 0, ","), Edit(3, 0, ";")], [3, ",", ";"], 15),
        ([Edit(0, 4, ""), Edit(4, 4, "")], [-4, -4], 5),
        ([Edit(0, 3, "one"), Edit(13, 0, "!")], [13, "!"], 14),
    ],
    ids=["one", "same ends", "two", "in one place", "side by side", "the same text"],
)
def test_edits_are_one_save(edits: list[Edit], steps: list[int | str], length: int) -> None:
    document = given(Document, CREATED)
    edit(document, edits, by=ADA, now=NOW)
    assert new_events(document) == [saved(2, steps=steps, content_length=length)]


@pytest.mark.parametrize("edits", [[], [Edit(4, 3, "two")], [Edit(3, 0, "")], [Edit(0, 1, ""), Edit(1, 0, "o")]])
def test_edits_that_leave_the_same_text_cause_no_event(edits: list[Edit]) -> None:
    document = given(Document, CREATED)
    edit(document, edits, by=ADA, now=NOW)
    assert new_events(document) == []


@pytest.mark.parametrize(
    "edits",
    [
        [Edit(14, 0, "x")],
        [Edit(10, 4, "x")],
        [Edit(-1, 0, "x")],
        [Edit(5, -1, "x")],
        [Edit(4, 0, "x"), Edit(0, 1, "x")],
        [Edit(0, 5, "x"), Edit(4, 2, "x")],
    ],
    ids=["behind the end", "over the end", "before the start", "negative", "out of order", "overlapping"],
)
def test_edits_that_fit_no_text_are_refused(edits: list[Edit]) -> None:
    document = given(Document, CREATED)
    with pytest.raises(UnusableEdits, match=rf"Edit {len(edits)} replaces .* code points"):
        edit(document, edits, by=ADA, now=NOW)
    assert new_events(document) == []


@pytest.mark.parametrize("insert", ["\0", "\ud800", "x" * CONTENT_LENGTH])
def test_edits_that_leave_no_usable_content_are_refused(insert: str) -> None:
    with pytest.raises(UnusableText):
        edit(given(Document, CREATED), [Edit(0, 0, insert)], by=ADA, now=NOW)


def test_edits_take_the_role_and_the_state_that_a_change_takes() -> None:
    viewer = fact(Document.Shared, address_id=address_of(VIEWER), email="v@example.org", role="viewer")
    edits = [Edit(0, 0, "x")]
    with pytest.raises(RoleTooLow):
        edit(given(Document, CREATED, viewer), edits, by=VIEWER, now=NOW)
    with pytest.raises(NotFound):
        edit(given(Document, CREATED), edits, by=STRANGER, now=NOW)
    with pytest.raises(DocumentIsTrashed):
        edit(given(Document, CREATED, fact(Document.Trashed)), edits, by=ADA, now=NOW)
    with pytest.raises(DocumentIsArchived):
        edit(given(Document, CREATED, saved(2, status="archived")), edits, by=ADA, now=NOW)


@forall(TEXTS)
def test_what_a_change_leaves_out_stays(content: str) -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Title", content=content, now=NOW)
    document.change(status="published", by=ADA, now=NOW)
    document.change(content=f"{content}.", by=ADA, now=NOW)
    document.change(title="New", by=ADA, now=NOW)
    assert (document.title, document.content, document.status) == ("New", f"{content}.", "published")
    assert document.revision == 4
