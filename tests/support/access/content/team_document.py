"""Access to the documents of a team: all that people do with documents, tried as members of every role."""

from dataclasses import fields

from domain.access import ANYONE, DOCUMENT, TEAM, Action, Resource, Rule
from domain.content.team_roles import ROLE_BY_TEAM_ROLE
from domain.teams.roles import RANKING
from tests.support.access.content.document import share
from tests.support.access.kernel import CASES, MAKERS, VIEWS, Case, People
from tests.support.api import Account


def least(action: str) -> str:
    """The lowest role in a team that is enough for an action."""
    return [role for role in RANKING if (given := ROLE_BY_TEAM_ROLE[role]) and DOCUMENT.allows(action, given)][-1]


TEAM_DOCUMENT = Resource(
    "team_document",
    roles=RANKING,
    guests=("guest",),
    rules={action: Rule(least(action), rule.scope) for action, rule in DOCUMENT.rules.items() if rule.role != ANYONE},
)
"""Documents of a team, with the roles of its members. A guest sees none."""


class TeamCase(Case):
    """A request about a document of a team."""

    @property
    def access(self) -> Action:
        """The action in the table of team documents."""
        name = super().access.name
        return TEAM_DOCUMENT.action("file_in_team" if name == "file" else name)


def in_team(case: Case) -> TeamCase:
    """The same request about a document of a team. A member has no share to give back, so leaving changes nothing."""
    states = {} if case.operation == "leave_document" else {**case.states}
    if "owner" in states:
        states["admin"] = states["owner"]
    values = {field.name: getattr(case, field.name) for field in fields(case)}
    return TeamCase(**{**values, "states": states, "note": f"{case.note} of a team".strip()})


def make(people: People, owner: Account) -> str:
    """A document of the team with every role in it if it is the owner's; else of a new one. The viewer has a share."""
    own = owner is people.by_role["owner"]
    team_id = people.untouched(TEAM) if own else people.thing(TEAM, owner)
    new = {"title": "Notes", "content": "Otters.", "team_id": team_id}
    path = owner.write("POST", "/v1/documents", 201, json=new).headers["Location"]
    owner.write("POST", f"{path}/shares", json=share(people))
    return str(path).rpartition("/")[2]


def created(people: People) -> dict[str, str]:
    """A document of the team with every role in it."""
    return {"title": "New", "team_id": people.untouched(TEAM)}


def copied(people: People) -> dict[str, str]:
    """A copy for that team."""
    return {"team_id": people.untouched(TEAM)}


MAKERS["team_document"] = make
VIEWS["team_document"] = "/v1/documents/{}"
CASES += [in_team(case) for case in [*CASES] if case.resource is DOCUMENT and case.rule.role != ANYONE]
CASES += [
    TeamCase("create_document", created, note="of a team", action="create_in_team"),
    TeamCase("duplicate_document", copied, note="for a team", action="create_in_team"),
]
