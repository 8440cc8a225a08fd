"""A repository in memory, as its history on a public site might be: files of several authors, renamed, moved, deleted.

The same seed makes the same history. Its texts have every trap of Unicode, and edits cut through all of them.
"""

import random
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

ACUTE, JOINER, KEYCAP = "\N{COMBINING ACUTE ACCENT}", "\N{ZERO WIDTH JOINER}", "\N{COMBINING ENCLOSING KEYCAP}"
TITLES = [
    "README",
    f"Cafe{ACUTE}",
    "Caf\N{LATIN SMALL LETTER E WITH ACUTE}",
    f"\N{MAN}{JOINER}\N{WOMAN}{JOINER}\N{GIRL}",
    "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}",
    "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}stanbul, Stra\N{LATIN SMALL LETTER SHARP S}e",
    "\N{REGIONAL INDICATOR SYMBOL LETTER F}\N{REGIONAL INDICATOR SYMBOL LETTER I}",
    "a/b\\c?d=e&f%00#g",
    "\U0010fffd\N{DIGIT ONE}",
]
TRAPS = [
    *TITLES,
    *("\n", "\r\n", "\r", "\n\n", "\t", "\x01", "\x0b\x0c", "\x1b[31m", "\x7f\x85", "\u2028", "\u2029"),
    *(ACUTE, JOINER, KEYCAP, "\N{ZERO WIDTH SPACE}", "\N{SOFT HYPHEN}", "\N{BYTE ORDER MARK}", "\ufe0f", "\ufe0e"),
    *("\N{RIGHT-TO-LEFT OVERRIDE}", "\N{POP DIRECTIONAL FORMATTING}", "\N{LEFT-TO-RIGHT ISOLATE}"),
    *("\N{EMOJI MODIFIER FITZPATRICK TYPE-5}", "\N{TAG LATIN SMALL LETTER A}", "\ufffe", "\uffff", "\U0010ffff"),
    *("\N{HANGUL CHOSEONG HIEUH}\N{HANGUL JUNGSEONG A}", "\N{HANGUL SYLLABLE HAN}", "\N{LATIN SMALL LIGATURE FI}"),
    *(
        "\N{KELVIN SIGN}",
        "\N{ANGSTROM SIGN}",
        "\N{OHM SIGN}",
        "a" + ACUTE * 30,
        "\\ud83d\\ude00",
        "\N{OTTER}",
        "\ue000",
    ),
    *("<script>", "'\";--", "{{x}}", "%s\\", "null", "otters ", "herons, ", "and rivers."),
]

Signed = list[tuple[str, int]]
"""Characters, each with the number of the version that wrote it."""

Edits = list[tuple[int, int, str]]
"""Places in the text before, how many characters to delete there, and what to insert."""

Kind = Literal["add", "edit", "rename", "move", "delete", "revive", "revert"]


@dataclass(frozen=True)
class Version:
    """A version of a file."""

    title: str
    text: Signed
    author: int

    @property
    def content(self) -> str:
        """The text without its signatures."""
        return "".join(character for character, _ in self.text)

    @property
    def passages(self) -> list[tuple[int, int, int]]:
        """The start and the end of each passage, and the version that wrote it."""
        found, at = [], 0
        for version, group in groupby(self.text, key=lambda each: each[1]):
            length = len([*group])
            found.append((at, at + length, version))
            at += length
        return found


@dataclass
class File:
    """A file with all its versions. `folder`: the number of its folder; None: it is at the top."""

    versions: list[Version]
    folder: int | None = None
    deleted: bool = False

    @property
    def last(self) -> Version:
        """The latest version."""
        return self.versions[-1]


@dataclass(frozen=True)
class Commit:
    """What an author did to a file. `edits`: of an edit; `version`: that a revert goes back to."""

    kind: Kind
    file: int
    author: int
    edits: Edits = field(default_factory=list)
    version: int = 0


class Repository:
    """Files, and a generator of their history."""

    def __init__(self, seed: int, *, authors: int, folders: int) -> None:
        self.files: list[File] = []
        self._random = random.Random(seed)
        self._authors, self._folders = authors, folders

    def commit(self) -> Commit:
        """Let an author do something."""
        author = self._random.randrange(self._authors)
        living = [number for number, each in enumerate(self.files) if not each.deleted]
        if len(living) < 3 or self._random.random() < 0.08:
            return self._add(author)
        number = self._random.choice(living)
        kinds: list[Kind] = ["edit", "rename", "move", "delete", "revert"]
        [kind] = self._random.choices(kinds, [12, 2, 2, 1, 2])
        if kind == "delete" and (gone := [n for n, each in enumerate(self.files) if each.deleted]):
            number = self._random.choice([*gone, number])
        return self._change(kind, number, author)

    def _add(self, author: int) -> Commit:
        text = [(character, 1) for character in self._text()]
        self.files.append(File([Version(self._random.choice(TITLES), text, author)], self._folder()))
        return Commit("add", len(self.files) - 1, author)

    def _change(self, kind: Kind, number: int, author: int) -> Commit:
        file, edits, version = self.files[number], Edits(), 0
        match kind:
            case "edit":
                edits = self._edits(file.last.content)
                self._save(file, file.last.title, edited(file.last.text, len(file.versions) + 1, edits), author)
            case "rename":
                others = [title for title in TITLES if title != file.last.title]
                self._save(file, self._random.choice(others), file.last.text, author)
            case "move":
                file.folder = self._folder()
            case "delete" | "revive":
                kind = "revive" if file.deleted else "delete"
                file.deleted = not file.deleted
            case "revert":
                version = self._random.randrange(len(file.versions)) + 1
                earlier = file.versions[version - 1]
                self._save(file, earlier.title, earlier.text, author)
        return Commit(kind, number, author, edits, version)

    def _save(self, file: File, title: str, text: Signed, author: int) -> None:
        """Make a version, if anything is new."""
        new = Version(title, text, author)
        if (title, new.content) != (file.last.title, file.last.content):
            file.versions.append(new)

    def _edits(self, content: str) -> Edits:
        """Some edits, none of which inserts at its ends what it deletes there."""
        places = sorted(self._random.randrange(len(content) + 1) for _ in range(2 * self._random.randrange(1, 4)))
        found: Edits = []
        for start, end in zip(places[::2], places[1::2], strict=True):
            old = content[start : min(end, start + 12)]
            new = self._text(4)
            if old and (new[0] == old[0] or new[-1] == old[-1]):
                new = ""
            found.append((start, len(old), new))
        return found

    def _text(self, max_pieces: int = 12) -> str:
        return "".join(self._random.choices(TRAPS, k=self._random.randrange(1, max_pieces)))

    def _folder(self) -> int | None:
        places: list[int | None] = [None, *range(self._folders)]
        return self._random.choice(places)


def edited(text: Signed, version: int, edits: Edits) -> Signed:
    """The text with edits, whose characters are signed with the version."""
    for at, delete, insert in reversed(edits):
        text = [*text[:at], *((each, version) for each in insert), *text[at + delete :]]
    return text
