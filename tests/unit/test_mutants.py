"""Mutation testing: which places are changed, how mutants are drawn, and what becomes of one in a copy of the tree."""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.source import PROJECT
from tests.mutants.calls import OUTSIDE, callers
from tests.mutants.mutants import ROOMS, Mutant, concerned, harmless, mutants, sample, users
from tests.mutants.mutations import mutations
from tests.mutants.session import Results, Tree, Unfit, run


def mutated(source: str) -> list[str]:
    """The mutated sources."""
    return [Mutant.of("domain/a.py", source, each).content.decode() for each in mutations(source)]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = a < b", ["x = a <= b", "x = a >= b"]),
        ("x = a is not b", ["x = a is b"]),
        ("x = a in b", ["x = a not in b"]),
        ("x = a and b", ["x = a or b"]),
        ("x = a + b", ["x = a - b"]),
        ("x = a | b", ["x = a & b"]),
        ("x = not a", ["x = (a)"]),
        ("x = 5", ["x = 6"]),
        ("x = True", ["x = False"]),
        ("x = 'a'", ["x = 'aX'"]),
        ("x = b'a'", ["x = b'aX'"]),
        ("n += a", ["n -= a", "pass"]),
        ("self.a = b", ["pass"]),
        ("save(a)", ["pass"]),
        ("raise Error('some words', 5)", ["pass"]),
        ("if a:\n    x = b", ["if (not (a)):\n    x = b"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if (not (a))]"]),
        ("while a:\n    break", ["while a:\n    continue"]),
        ("def f(a=True):\n    return a", ["def f(a=False):\n    return a", "def f(a=True):\n    return None"]),
        ("x = 'ä' + f(1)", ["x = 'ä' - f(1)", "x = 'äX' + f(1)", "x = 'ä' + f(2)"]),
    ],
)
def test_a_place_is_changed_in_every_usual_way(source: str, expected: list[str]) -> None:
    assert sorted(mutated(source)) == sorted(expected)


@pytest.mark.parametrize(
    "source",
    [
        '"""Words."""',
        "def f(a: int | None = None) -> dict[str, 'B']:\n    ...",
        "x: Literal['a'] = y",
        "log.error('failed', count=1)",
        "assert a < b",
        "__all__ = ['a']",
        "A = B | None",
        "x = cast('A', b)",
        "x = f'{a + 1} of {b}'",
        "QUERY = 'SELECT 1'",
        "QUERY = b'SELECT 1'",
        "TIMEOUT_SECONDS = 2.5",
        "class A:\n    def __repr__(self):\n        return 'A'",
        "@dataclass(frozen=True, slots=True)\nclass A:\n    a: int",
        "class A(Struct, frozen=True):\n    a: int",
        "x = Meta(description='Words.')",
    ],
)
def test_what_no_behaviour_depends_on_is_left_alone(source: str) -> None:
    assert mutated(source) == []


@pytest.fixture(scope="module")
def product() -> list[Mutant]:
    """All mutants of the product."""
    return list(mutants(PROJECT, *ROOMS))


@pytest.mark.programs
def test_every_mutant_of_the_product_is_python(product: list[Mutant]) -> None:
    for mutant in product[::50]:
        ast.parse(mutant.content)


def drawn_from(source: str) -> list[Mutant]:
    """All mutants of a file, in the order of a draw."""
    return sample((Mutant.of("domain/a.py", source, each) for each in mutations(source)), seed=7, count=9)


def test_a_seed_draws_the_same_mutants_when_other_lines_change() -> None:
    before, after = "x = 1\ny = a < b\n", "y = a < b\nz = 2\n"
    drawn = [
        [
            mutant.becomes
            for mutant in sample((Mutant.of("domain/a.py", source, each) for each in mutations(source)), 7, 9)
        ]
        for source in (before, after)
    ]
    [kept] = set(drawn[0]) & set(drawn[1])
    assert kept in {"y = a <= b", "y = a >= b"}


def test_a_place_is_drawn_once() -> None:
    assert len(drawn_from("x = a < b\n")) == 1


@pytest.mark.programs
def test_every_known_survivor_is_still_a_mutant(product: list[Mutant]) -> None:
    known = harmless()
    assert set(known) - {mutant.change for mutant in product} == set()
    assert all(known.values())


def test_the_tests_of_a_module_are_those_that_import_it() -> None:
    assert "tests/unit/projector/test_linger.py" in concerned("infra/projector/pacing.py", PROJECT)
    assert concerned("infra/projector/nothing.py", PROJECT) == []


SOURCE = "def larger(a, b):\n    return a if a > b else b\n"
TEST = "from domain.larger import larger\n\n\ndef test_larger():\n    assert larger(2, 1) == 2\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    """A project of one function, whose only test does not compare equal numbers."""
    for name, text in (("domain/larger.py", SOURCE), ("tests/unit/test_larger.py", TEST)):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "domain" / "__init__.py").touch()
    shutil.copytree(PROJECT / "tests" / "mutants", tmp_path / "tests" / "mutants")
    monkeypatch.setattr("tests.mutants.session.QUICK", ("tests",))
    monkeypatch.setattr("tests.mutants.session.REVIEWED", ())
    monkeypatch.setattr("tests.mutants.session.PROFILE", ())
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    tree = Tree(tmp_path)
    yield tree
    tree.close()


@pytest.mark.programs
def test_a_mutant_is_killed_or_survives_and_the_tree_is_as_before(tree: Tree) -> None:
    drawn = {mutant.becomes: mutant for mutant in mutants(tree.path, "domain")}
    outcomes: dict[str, tuple[str, str]] = {}

    def keep(mutant: Mutant, outcome: str, test: str) -> None:
        outcomes[mutant.becomes] = outcome, test

    run([tree], list(drawn.values())[:3], keep, 60, False, tree.path)
    assert outcomes == {
        "return None": ("killed", "tests/unit/test_larger.py::test_larger"),
        "return a if a >= b else b": ("survived", ""),
        "return a if a <= b else b": ("killed", "tests/unit/test_larger.py::test_larger"),
    }
    assert (tree.path / "domain" / "larger.py").read_text() == SOURCE


CALLED = """@decorated
def outer(a=1):
    def inner():
        return 2
    return 3
LIMIT = 4
"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (2, {"t.py::inner", "t.py::outer", "t.py::user"}),
        (4, {"t.py::inner"}),
        (5, {"t.py::inner", "t.py::outer"}),
        (6, {"t.py::inner", "t.py::outer", "t.py::user"}),
    ],
    ids=["a default", "an inner function", "a function", "a constant"],
)
def test_a_mutant_concerns_the_tests_that_call_its_function_or_the_users_of_its_module(
    line: int, expected: set[str]
) -> None:
    calls = {
        "domain/a.py": {"1": ["t.py::outer"], "3": ["t.py::inner"]},
        "domain/b.py": {"1": ["t.py::user", OUTSIDE]},
        "domain/c.py": {"1": ["t.py::other"]},
    }
    [mutant, *_] = [mutant for mutant in drawn_from(CALLED) if mutant.line == line]
    assert callers(mutant, calls, ["domain/a.py", "domain/b.py"]) == expected


def test_a_mutant_whose_function_is_called_while_tests_are_collected_concerns_all_tests() -> None:
    calls = {"domain/a.py": {"1": [OUTSIDE, "t.py::outer"]}}
    [mutant, *_] = [mutant for mutant in drawn_from(CALLED) if mutant.line == 5]
    assert callers(mutant, calls, []) is None


def test_a_constant_of_a_module_that_is_found_in_its_folder_concerns_all_tests() -> None:
    calls = {"domain/a.py": {"1": ["t.py::outer"]}}
    [mutant, *_] = [mutant for mutant in drawn_from(CALLED) if mutant.line == 6]
    assert callers(mutant, calls, ["domain/a.py"]) is None


def test_users_of_a_module_are_the_files_that_import_it() -> None:
    found = users("infra/projector/pacing.py", PROJECT)
    assert found[0] == "infra/projector/pacing.py"
    assert "infra/projector/log_projector.py" in found


@pytest.mark.programs
def test_a_tree_records_which_tests_call_a_function(tree: Tree) -> None:
    calls = tree.record(("tests",), tree.path / "kept")
    assert calls["domain/larger.py"]["1"] == ["tests/unit/test_larger.py::test_larger"]


@pytest.mark.programs
def test_tests_that_fail_without_a_mutation_try_nothing(tree: Tree) -> None:
    (tree.path / "tests" / "unit" / "test_larger.py").write_text(TEST.replace("== 2", "== 1"))
    with pytest.raises(Unfit, match="test_larger"):
        run([tree], list(mutants(tree.path, "domain")), lambda *_: pytest.fail("tried"), 60, False, tree.path)


def test_a_session_goes_on_and_tries_survivors_again_once_the_tests_have_changed(tmp_path: Path) -> None:
    one, two, _ = [Mutant.of("domain/larger.py", SOURCE, each) for each in mutations(SOURCE)]
    results = Results(tmp_path / "results.jsonl", tests="monday")
    results.keep(one, "killed")
    results.keep(two, "survived")
    same, changed = (Results(tmp_path / "results.jsonl", tests) for tests in ("monday", "tuesday"))
    assert (same.of(one), same.of(two)) == ("killed", "survived")
    assert (changed.of(one), changed.of(two)) == ("killed", None)
