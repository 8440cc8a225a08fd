"""Mutants of the product: which there are, which are drawn, and which are known to survive without harm."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from itertools import zip_longest
from pathlib import Path

from tests.architecture.source import PACKAGES
from tests.mutants.mutations import Mutation, mutations

ROOMS = (
    "domain",
    "application",
    "projections",
    "adapters/integration_events",
    "adapters/http/api",
    "infra/sealing",
    "infra/store",
    "infra/projector",
    "infra/http_server",
)
SURVIVORS = Path(__file__).with_name("survivors.toml")

Change = tuple[str, str, str]
"""A file, its lines before and its lines after."""


@dataclass(frozen=True)
class Mutant:
    """A file with one mutation. `content`: the mutated file; `was` and `becomes`: its changed lines, as one line."""

    path: str
    source: str
    place: tuple[int, int]
    content: bytes
    was: str
    becomes: str

    @classmethod
    def of(cls, path: str, source: str, mutation: Mutation) -> "Mutant":
        """The file `path` with this mutation."""
        start, end, text = mutation
        before, middle, after = source.encode()[:start], source.encode()[start:end], source.encode()[end:]
        head, tail = before.rpartition(b"\n")[2], after.partition(b"\n")[0]
        lines = [" ".join((head + each + tail).decode().split()) for each in (middle, text.encode())]
        return cls(path, source, (start, end), before + text.encode() + after, *lines)

    @property
    def room(self) -> str:
        """The room of the file."""
        return next(room for room in ROOMS if self.path.startswith(f"{room}/"))

    @property
    def line(self) -> int:
        """The number of the line where the mutation begins."""
        return self.content.count(b"\n", 0, self.place[0]) + 1

    @property
    def change(self) -> Change:
        """What a known survivor is named by, and what the draw depends on."""
        return self.path, self.was, self.becomes

    @property
    def key(self) -> str:
        """What a result is stored by: it holds as long as the file is the same."""
        return sha256(self.path.encode() + self.content).hexdigest()[:20]


def mutants(project: Path, *rooms: str) -> Iterator[Mutant]:
    """All mutants of these rooms."""
    for file in (file for room in rooms for file in sorted((project / room).rglob("*.py"))):
        source = file.read_text()
        yield from (Mutant.of(str(file.relative_to(project)), source, each) for each in mutations(source))


def sample(every: Iterable[Mutant], seed: int, count: int) -> list[Mutant]:
    """`count` mutants in the order of the draw, one for each place. Other lines of a file do not change the order."""
    drawn = sorted(every, key=lambda mutant: sha256(f"{seed} {mutant.change}".encode()).digest())
    places = {(mutant.path, mutant.place): mutant for mutant in reversed(drawn)}
    return list(reversed(places.values()))[:count]


def sample_of_each(project: Path, only: str, seed: int, count: int) -> list[Mutant]:
    """`count` mutants of each room whose name matches `only`; one of each room, then the next of each."""
    rooms = [sample(mutants(project, room), seed, count) for room in filter(re.compile(only).search, ROOMS)]
    return [mutant for row in zip_longest(*rooms) for mutant in row if mutant is not None]


def harmless() -> dict[Change, str]:
    """The reasons why known survivors do not matter."""
    entries = tomllib.loads(SURVIVORS.read_text())["survivor"]
    return {(entry["file"], entry["was"], entry["becomes"]): entry["why"] for entry in entries}


def concerned(path: str, project: Path) -> list[str]:
    """The unit tests that import the module of `path`."""
    return sorted(_importing(path, project, ["tests/unit"]))


def users(path: str, project: Path) -> list[str]:
    """The file itself, and the files of the product that import its module."""
    return [path, *_importing(path, project, PACKAGES)]


def _importing(path: str, project: Path, folders: Iterable[str]) -> Iterator[str]:
    package, _, name = path.removesuffix(".py").replace("/", ".").rpartition(".")
    imports = re.compile(rf"^(from|import) {package}(\.{name}\b| import .*\b{name}\b)", re.MULTILINE)
    for file in (file for folder in folders for file in (project / folder).rglob("*.py")):
        if imports.search(file.read_text()):
            yield str(file.relative_to(project))
