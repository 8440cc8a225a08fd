"""Blame against a plain model: each character carries the revision that wrote it."""

from itertools import groupby
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from domain.content import delta
from domain.content.blame import GeneratedText, Insertion, Marks, Passage, compose, marks_of, passages
from domain.content.delta import Delta

TRAPS = "ab\r\n e\N{COMBINING ACUTE ACCENT}\N{OTTER}\N{ZERO WIDTH JOINER}\N{RIGHT-TO-LEFT OVERRIDE}"
TEXTS = st.text(TRAPS, max_size=30)
Signed = list[tuple[str, int]]
"""Characters, each with the revision that wrote it."""


def signed(text: Signed, steps: Delta, revision: int) -> Signed:
    """The text after a save, character by character."""
    result, rest = Signed(), [*text]
    for step in steps:
        if isinstance(step, str):
            result += [(character, revision) for character in step]
        else:
            result += rest[: max(step, 0)]
            del rest[: abs(step)]
    return result + rest


def passages_in(text: Signed) -> list[Passage]:
    """The passages of the model."""
    found, at = [], 0
    for revision, group in groupby(text, key=lambda each: each[1]):
        length = len([*group])
        found.append(Passage(at, at + length, revision))
        at += length
    return found


@given(st.lists(TEXTS, max_size=40))
def test_passages_are_those_of_a_model_in_which_each_character_is_signed(versions: list[str]) -> None:
    text, model, history = "", Signed(), list[Marks]()
    for revision, version in enumerate(versions, start=1):
        steps = delta.make(text, version)
        history.append(marks_of(steps, revision))
        model, text = signed(model, steps, revision), version
        assert "".join(character for character, _ in model) == text
    assert passages(history) == passages_in(model)


@st.composite
def deltas_of(draw: st.DrawFn, length: int) -> Delta:
    """Any delta of a text of this length, as an edit or a comparison could make it."""
    steps: Delta = []
    while length and draw(st.booleans()):
        count = draw(st.integers(1, length))
        length -= count
        steps.append(count if draw(st.booleans()) else -count)
        if draw(st.booleans()):
            steps.append(draw(TEXTS.filter(bool)))
    return steps


@given(TEXTS, st.data())
def test_two_saves_are_composed_to_one_with_their_effect(text: str, data: st.DataObject) -> None:
    first = data.draw(deltas_of(len(text)))
    between = delta.apply(text, first)
    second = data.draw(deltas_of(len(between)))
    unsigned = [(character, 0) for character in text]
    expected = signed(signed(unsigned, first, 1), second, 2)
    whole = compose(marks_of([text] if text else [], 0), compose(marks_of(first, 1), marks_of(second, 2)))
    assert passages([whole]) == passages_in(expected)


def test_neighbours_of_one_kind_are_one_mark() -> None:
    first: Marks = [2, Insertion(1, 1), -1]
    assert compose(first, [3, Insertion(2, 2)]) == [2, Insertion(1, 1), Insertion(2, 2), -1]
    assert compose(first, [-2, 1, Insertion(2, 1)]) == [-2, Insertion(3, 1), -1]


def test_nothing_was_written_in_an_empty_text() -> None:
    assert passages([]) == passages([[]]) == passages([[Insertion(3, 1)], [-3]]) == []


def test_the_work_grows_with_the_steps_of_a_history_and_not_with_its_text() -> None:
    later: list[Marks] = [[1_000 * n, Insertion(1, n)] for n in range(2, 900)]
    history: list[Marks] = [[Insertion(1_000_000, 1)], *later]
    assert len(passages(history)) == 2 * 898 + 1


MODEL = UUID(int=1)


def test_only_the_text_of_a_model_is_its_own_and_a_later_edit_leaves_the_rest() -> None:
    first = marks_of(["Rivers."], 1)
    second = marks_of([7, "\n\nOtters swim."], 2, GeneratedText(9, 21, MODEL))
    assert passages([first, second]) == [Passage(0, 7, 1), Passage(7, 9, 2), Passage(9, 21, 2, MODEL)]
    third = marks_of([16, "often ", 4], 3)
    rest = [Passage(9, 16, 2, MODEL), Passage(16, 22, 3), Passage(22, 27, 2, MODEL)]
    assert passages([first, second, third])[2:] == rest


@given(st.data())
def test_a_range_of_a_save_is_of_the_model_where_the_save_wrote_it(data: st.DataObject) -> None:
    before = data.draw(TEXTS)
    steps = data.draw(deltas_of(len(before)))
    content = delta.apply(before, steps)
    start = data.draw(st.integers(0, len(content)))
    end = data.draw(st.integers(start, len(content)))
    history = [marks_of([before] if before else [], 1), marks_of(steps, 2, GeneratedText(start, end, MODEL))]
    written = [revision for _, revision in signed([(character, 1) for character in before], steps, 2)]
    found = {at: each for each in passages(history) for at in range(each.start, each.end)}
    assert [found[at].revision for at in range(len(content))] == written
    by_model = [at for at, revision in enumerate(written) if revision == 2 and start <= at < end]
    assert [at for at in range(len(content)) if found[at].generation_id == MODEL] == by_model
