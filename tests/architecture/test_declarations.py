"""Declarations: queries name the read models that they read, and events those through which they take access away."""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import projections
from application.discovery import import_all
from application.ports import Actor, ReadStore
from domain.access import DOCUMENT, TEAM, Person, Resource
from domain.content.document import Document
from domain.content.team_roles import role_by_team
from domain.identity.user import User
from domain.kernel import Root, events_of
from domain.teams.team import Team
from projections.kernel import models_read_by, read_models, reads
from projections.teams.team_roster import TeamRoster
from tests.support.access_steps import step_of_document, step_of_team
from tests.support.given import ID, NOW, person
from tests.support.lives import LIVES

PROJECT = Path(__file__).parents[2]
PEOPLE = [person(number) for number in range(1, 5)]

TABLE = re.compile(r"\bread\.(\w+)")


def queries() -> Iterator[Callable[..., Any]]:
    """Every function of `projections` that reads rows."""
    import_all("projections")
    for module in sorted(all_modules(projections), key=lambda module: module.__name__):
        for function in vars(module).values():
            is_own = inspect.iscoroutinefunction(function) and function.__module__ == module.__name__
            if is_own and ReadStore in inspect.get_annotations(function, eval_str=True).values():
                yield function


def all_modules(package: ModuleType) -> Iterator[ModuleType]:
    prefix = f"{package.__name__}."
    return (module for name, module in [*sys.modules.items()] if name.startswith(prefix))


def tables_in(function: Callable[..., Any], seen: set[Any] | None = None) -> set[str]:
    """The tables in the SQL of a function, of its module's constants that it uses, and of the functions it calls."""
    seen = set() if seen is None else seen
    if function in seen:
        return set()
    seen.add(function)
    function = inspect.unwrap(function)
    found = set(TABLE.findall(repr(constants(function.__code__))))
    for name in names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, str):
            found |= set(TABLE.findall(value))
        elif inspect.isfunction(value) and value.__module__.startswith("projections."):
            found |= tables_in(value, seen)
    return found


def constants(code: Any) -> list[Any]:
    return [*code.co_consts, *(inner for each in code.co_consts if inspect.iscode(each) for inner in constants(each))]


def names(code: Any) -> set[str]:
    return {*code.co_names, *(inner for each in code.co_consts if inspect.iscode(each) for inner in names(each))}


@pytest.mark.parametrize("query", [*queries()], ids=lambda query: query.__qualname__)
def test_a_query_declares_the_read_models_that_its_sql_reads(query: Callable[..., Any]) -> None:
    assert set(models_read_by(query)) == tables_in(query)


def test_there_are_queries_to_look_at() -> None:
    assert {"document", "documents", "shares", "versions", "team", "members", "user", "readers_of"} <= {
        query.__name__ for query in queries()
    }


EMAIL = "SELECT email FROM read.document_access WHERE document_id = %s"


def test_a_query_that_reads_more_than_it_declares_is_found() -> None:
    @reads(TeamRoster)
    async def shares_of_members(rows: ReadStore, id: object) -> object:
        await rows.all(Actor, EMAIL, [id])
        return await rows.all(Actor, "SELECT user_id FROM read.team_roster WHERE team_id = %s", [id])

    assert tables_in(shares_of_members) == {"document_access", "team_roster"} != {*models_read_by(shares_of_members)}


def roots() -> list[type[Root]]:
    """Every aggregate class."""
    return sorted({type(root) for root in LIVES}, key=lambda root: root.__name__)


@pytest.mark.parametrize("root", roots(), ids=lambda root: root.__name__)
def test_events_take_access_away_through_read_models_that_follow_them(root: type[Root]) -> None:
    followers = {model.name for model in read_models() if root in model.roots}
    assert {name for event in events_of(root) for name in event.revokes} <= followers


def undeclared(events: Iterable[Any]) -> set[str]:
    """Return the events that took access away from a person and do not declare it."""
    state: Root | None = None
    ranks: dict[Any, int] = {}
    found = set()
    for event in events:
        state = event.root.shell(event) if state is None else state
        event.apply(state)
        before, ranks = ranks, {who: rank(state, who) for who in PEOPLE}
        if not event.revokes and any(ranks[who] < before[who] for who in before):
            found.add(type(event).__name__)
    return found


def rank(root: Root, who: Person) -> int:
    """The number of actions that a person may do with an aggregate, and what belongs to it; 0: they have no role."""
    match root:
        case Document():
            return allowed(DOCUMENT, root.role_of(who))
        case Team(dissolved_at=None):
            return allowed(TEAM, root.role_of(who, NOW)) + allowed(DOCUMENT, role_by_team(root, who))
        case User(deactivated_at=None):
            return 1
    return 0


def allowed(resource: Resource, role: str | None) -> int:
    return 0 if role is None else sum(resource.allows(action, role) for action in resource.rules)


@given(st.data())
def test_no_event_of_a_document_takes_access_away_undeclared(data: st.DataObject) -> None:
    document = Document.create(id=ID, owner_id=PEOPLE[0].user_id, title="A", content="", now=NOW)
    for _ in range(data.draw(st.integers(1, 12))):
        step_of_document(document, PEOPLE, lambda choices: data.draw(st.sampled_from(choices)))
    assert undeclared(document.pending_events) == set()


@given(st.data())
def test_no_event_of_a_team_takes_access_away_undeclared(data: st.DataObject) -> None:
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=PEOPLE[0].user_id, now=NOW)
    for _ in range(data.draw(st.integers(1, 16))):
        step_of_team(team, PEOPLE, lambda choices: data.draw(st.sampled_from(choices)))
    assert undeclared(team.pending_events) == set()


@pytest.mark.parametrize("life", LIVES, ids=lambda life: type(life).__name__)
def test_no_event_of_a_whole_life_takes_access_away_undeclared(life: Root) -> None:
    assert undeclared(life.pending_events) == set()


@pytest.mark.parametrize(
    ("root", "event"),
    [
        (Document, Document.ShareRevoked),
        (Team, Team.MemberLeft),
        (Team, Team.DissolutionRequested),
        (User, User.Deactivated),
    ],
)
def test_an_event_that_takes_access_away_undeclared_is_found(
    root: type[Root], event: type[Root.Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event, "revokes", ())
    (life,) = (life for life in LIVES if type(life) is root)
    assert undeclared(life.pending_events) == {event.__name__}


def test_no_route_names_a_read_model() -> None:
    names = {model.name for model in read_models()}
    found = {
        (path.name, node.value)
        for path in (PROJECT / "adapters" / "http").rglob("*.py")
        if path.parent.name != "api"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "Tag"
        for argument in node.args
        for node in ast.walk(argument)
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == set()
