"""Roles on what belongs to a team, its documents and its folders: they follow from the roles in the team."""

from collections.abc import Mapping
from uuid import UUID

from domain.access import DOCUMENT, Person
from domain.content.roles import Role
from domain.kernel import NotFound
from domain.teams.roles import Role as TeamRole
from domain.teams.team import Team

ROLE_BY_TEAM_ROLE: Mapping[TeamRole, Role | None] = {
    "owner": "owner",
    "admin": "owner",
    "editor": "editor",
    "viewer": "viewer",
    "guest": None,
}
"""The role that each role in a team gives. A guest has only what is shared with them."""

READ_ONLY: Role = "viewer"
"""The role of all members who have one, while the team is about to be dissolved."""


def role_by_team(team: Team, person: Person) -> Role | None:
    """Return the role that a person has on what belongs to a team; None: the team gives them none."""
    given = role_of_member(team, person.user_id)
    return given if given is None or team.dissolution_due is None else READ_ONLY


def role_of_member(team: Team, user_id: UUID) -> Role | None:
    """Return the role that a team gives a user while no dissolution is due; None: it gives them none."""
    role = team.members.get(user_id)
    return None if role is None or team.dissolved_at is not None else ROLE_BY_TEAM_ROLE[role]


def require_by_team(action: str, team: Team, person: Person) -> None:
    """Refuse an action (`domain.access.DOCUMENT`) that the person's role in a team is not enough for.

    Raises:
        NotFound: the team gives them no role on what belongs to it.
        RoleTooLow: their role is lower than the action takes.
    """
    role = role_by_team(team, person)
    if role is None:
        raise NotFound("There is no such team.")  # as the unit of work says of one that does not exist
    DOCUMENT.require(action, role)
