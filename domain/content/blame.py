"""Blame: which revision wrote which passage of a content, from the deltas of its history.

Marks are the steps of a delta in which a written text is only its length and the revision that wrote it. The marks of
two saves, one after the other, are those of one: so a history is composed in pairs, pairs of pairs and so on, and the
work grows with its steps, not with the length of the text at each of them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple
from uuid import UUID

from domain.content.delta import Delta

MAX_STEPS = 200_000
"""Maximum number of steps of a history: to compose so many takes about 1.5 s."""


class Insertion(NamedTuple):
    """A text that a revision wrote. `generation_id`: of the text by a model that it is, or is a part of."""

    length: int
    revision: int
    generation_id: UUID | None = None


Marks = list[int | Insertion]
"""Positive: so many characters are kept; negative: they are dropped."""


class Passage(NamedTuple):
    """The characters of a content from `start` to `end`, and the revision that wrote them.

    `generation_id`: of the text by a model that they come from.
    """

    start: int
    end: int
    revision: int
    generation_id: UUID | None = None


class GeneratedText(NamedTuple):
    """The characters from `start` to `end` of the content that a save left: a text by a model."""

    start: int
    end: int
    generation_id: UUID


def marks_of(delta: Delta, revision: int, generated: GeneratedText | None = None) -> Marks:
    """Return the marks of one save. `generated`: what a model wrote of it; people wrote what is around it."""
    if generated is None:
        return [Insertion(len(step), revision) if isinstance(step, str) else step for step in delta]
    marks: Marks = []
    at = 0
    for step in delta:
        if isinstance(step, str):
            marks += _parted(at, at + len(step), revision, generated)
            at += len(step)
        else:
            marks.append(step)
            at += max(step, 0)
    return marks


def _parted(start: int, end: int, revision: int, generated: GeneratedText) -> Iterator[Insertion]:
    """Yield what a save inserted from `start` to `end`: before the text by the model, of it, and behind it."""
    first = min(max(generated.start, start), end)
    last = min(max(generated.end, first), end)
    parts = ((first - start, None), (last - first, generated.generation_id), (end - last, None))
    for length, generation_id in parts:
        if length:
            yield Insertion(length, revision, generation_id)


def passages(history: Iterable[Marks]) -> list[Passage]:
    """Return the passages of the content that a history leaves, which begins with an empty text."""
    found: list[Passage] = []
    at = 0
    for mark in _composed(history):
        if isinstance(mark, Insertion):
            found.append(Passage(at, at + mark.length, mark.revision, mark.generation_id))
            at += mark.length
    return found


def _composed(history: Iterable[Marks]) -> Marks:
    """Return the marks of a whole history. Each of `done` stands for twice as many saves as the next one, or more."""
    done: list[tuple[int, Marks]] = []
    for marks in history:
        saves, latest = 1, marks
        while done and done[-1][0] == saves:
            latest = compose(done.pop()[1], latest)
            saves *= 2
        done.append((saves, latest))
    whole: Marks = []
    for _, marks in reversed(done):
        whole = compose(marks, whole)
    return whole


def compose(first: Marks, second: Marks) -> Marks:
    """Return the marks that have the effect of `first` and then `second`."""
    result = _Result()
    source = _Source(first)
    for mark in second:
        if isinstance(mark, Insertion):
            result.add(mark)
            continue
        for piece in source.take(abs(mark)):
            if mark > 0 or (isinstance(piece, int) and piece < 0):
                result.add(piece)
            elif isinstance(piece, int):
                result.add(-piece)
    for piece in source.rest():
        result.add(piece)
    return result.marks


class _Source:
    """The text between two saves, as the marks of the first one make it."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks
        self._at = 0
        self._open: int | Insertion = 0
        """What is left of a mark of which a part was taken; 0: nothing."""

    def take(self, count: int) -> Iterator[int | Insertion]:
        """Yield marks that make so many characters, with what is dropped between them."""
        while count:
            mark = self._next(count)
            length = _length(mark)
            if length > count:
                mark, self._open = _cut(mark, count)
                length = count
            count -= length
            yield mark

    def rest(self) -> Iterator[int | Insertion]:
        """Yield all marks that were not taken."""
        if self._open:
            yield self._open
        yield from self._marks[self._at :]

    def _next(self, count: int) -> int | Insertion:
        """Return the next mark. Behind the last one, the text before it is kept."""
        mark, self._open = self._open, 0
        if mark:
            return mark
        if self._at == len(self._marks):
            return count
        self._at += 1
        return self._marks[self._at - 1]


class _Result:
    """Marks, of which neighbours of one kind are one."""

    def __init__(self) -> None:
        self.marks: Marks = []

    def add(self, mark: int | Insertion) -> None:
        """Add a mark behind the others."""
        last = self.marks[-1] if self.marks else 0
        if isinstance(mark, Insertion):
            if isinstance(last, Insertion) and last[1:] == mark[1:]:
                self.marks[-1] = Insertion(last.length + mark.length, mark.revision, mark.generation_id)
                return
        elif not isinstance(last, Insertion) and last * mark > 0:
            self.marks[-1] = last + mark
            return
        self.marks.append(mark)


def _length(mark: int | Insertion) -> int:
    """Return how many characters of the text the mark makes."""
    return mark.length if isinstance(mark, Insertion) else max(mark, 0)


def _cut(mark: int | Insertion, count: int) -> tuple[int | Insertion, int | Insertion]:
    """Split a mark behind so many characters."""
    if isinstance(mark, Insertion):
        rest = Insertion(mark.length - count, mark.revision, mark.generation_id)
        return Insertion(count, mark.revision, mark.generation_id), rest
    return count, mark - count
