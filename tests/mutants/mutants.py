"""Mutants of the product: which there are, which are drawn, and which are known to survive without harm."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

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
)
Change = tuple[str, str, str]
"""A file, lines before and lines after."""

SURVIVORS = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True)
class Mutant:
    """A file with one mutation."""

    path: str
    source: str
    mutation: Mutation

    @property
    def room(self) -> str:
        """The room of the file."""
        return next(room for room in ROOMS if self.path.startswith(f"{room}/"))

    @property
    def line(self) -> int:
        """The number of the line where the mutation begins."""
        return self._before.count(b"\n") + 1

    @property
    def content(self) -> bytes:
        """The mutated file."""
        return self._before + self.mutation.text.encode() + self._after

    @property
    def was(self) -> str:
        """The lines of the mutation before it, as one line."""
        return self._lines(self.source.encode()[self.mutation.start : self.mutation.end])

    @property
    def becomes(self) -> str:
        """The lines of the mutation after it, as one line."""
        return self._lines(self.mutation.text.encode())

    @property
    def change(self) -> Change:
        """What a known survivor is named by."""
        return self.path, self.was, self.becomes

    @property
    def key(self) -> str:
        """What a result is stored by: it holds as long as the file is the same."""
        return sha256(self.path.encode() + self.content).hexdigest()[:20]

    def rank(self, seed: int) -> bytes:
        """The place in the draw with this seed. It stays the same when other lines change."""
        return sha256(f"{seed} {self.path} {self.was} {self.becomes}".encode()).digest()

    @property
    def _before(self) -> bytes:
        return self.source.encode()[: self.mutation.start]

    @property
    def _after(self) -> bytes:
        return self.source.encode()[self.mutation.end :]

    def _lines(self, middle: bytes) -> str:
        whole = self._before.rpartition(b"\n")[2] + middle + self._after.partition(b"\n")[0]
        return " ".join(whole.decode().split())


def mutants(project: Path, only: str = "") -> Iterator[Mutant]:
    """All mutants of the rooms whose name matches `only`."""
    for room in ROOMS:
        if re.search(only, room):
            for file in sorted((project / room).rglob("*.py")):
                source = file.read_text()
                for mutation in mutations(source):
                    yield Mutant(str(file.relative_to(project)), source, mutation)


def sample(every: Iterable[Mutant], seed: int, count: int) -> list[Mutant]:
    """`count` mutants in the order of the draw, at most one for each place."""
    drawn = sorted(every, key=lambda mutant: mutant.rank(seed))
    places = {(mutant.path, mutant.mutation.start, mutant.mutation.end): mutant for mutant in reversed(drawn)}
    return list(reversed(places.values()))[:count]


def harmless() -> dict[Change, str]:
    """The reasons why known survivors do not matter."""
    entries = tomllib.loads(SURVIVORS.read_text())["survivor"]
    return {(entry["file"], entry["was"], entry["becomes"]): entry["why"] for entry in entries}


def concerned(path: str, project: Path, folder: str = "tests/unit") -> list[str]:
    """The test files that import the module of `path`."""
    package, _, name = path.removesuffix(".py").replace("/", ".").rpartition(".")
    imports = re.compile(
        rf"^(from {package}\.{name} |import {package}\.{name}\b|from {package} import .*\b{name}\b)", re.M
    )
    files = sorted((project / folder).rglob("test_*.py"))
    return [str(file.relative_to(project)) for file in files if imports.search(file.read_text())]
