"""Loans: the owner of a document shares it with a team of theirs, whose members then have a role on it.

A loan lives as long as the membership of the owner in the team: a member who leaves takes along what they lent. A later
membership revives no loan. See `domain/decisions/0014-loans-to-teams.md`.
"""

from datetime import datetime
from uuid import UUID

from domain.access import DOCUMENT, Person
from domain.content import refusals
from domain.content.document import Document
from domain.content.roles import ShareRole
from domain.content.team_roles import require_by_team, role_by_team
from domain.teams.team import Team

MAX_TEAM_SHARES = 10


def lend(document: Document, team: Team, role: ShareRole, *, by: Person, now: datetime) -> None:
    """Give the members of a team a role on the document. To a team that has it already, another role.

    Raises:
        NotFound, RoleTooLow: the person is not the owner, or has no role on what belongs to the team.
        DocumentIsTrashed, TeamsDoNotLend, TooManyTeamShares: a rule forbids it.
    """
    document.require("share", by)
    document.require_untrashed()
    require_by_team("read", team, by)
    if document.owner_kind == "team":
        raise refusals.TeamsDoNotLend("This document belongs to a team; share it with people by their addresses.")
    if lives(document, team):
        if document.team_shares[team.id]["role"] != role:
            document.trigger_event(Document.TeamShareChanged, now=now, team_id=team.id, role=role)
        return
    if team.id not in document.team_shares and len(document.team_shares) >= MAX_TEAM_SHARES:
        raise refusals.TooManyTeamShares(
            f"A document is lent to at most {MAX_TEAM_SHARES} teams; take it back from one."
        )
    membership = team.joined[by.user_id]
    document.trigger_event(Document.SharedWithTeam, now=now, team_id=team.id, role=role, membership=membership)


def take_back(document: Document, team_id: UUID, *, by: Person, now: datetime) -> None:
    """End the loan to a team. Allowed in the trash, too. Without a loan there is no event.

    Raises:
        NotFound, RoleTooLow: the person is not the owner.
    """
    document.require("share", by)
    document.end_loan(team_id, now=now)


def lives(document: Document, team: Team) -> bool:
    """Return whether the document is lent to the team: the owner is a member as they were when they lent it."""
    share = document.team_shares.get(team.id)
    owner = document.owner
    is_member = share is not None and owner.kind == "user" and team.joined.get(owner.id) == share["membership"]
    return is_member and team.dissolved_at is None


def role_by_loan(document: Document, team: Team, person: Person) -> ShareRole | None:
    """Return the role of a person by a loan to a team: the lower one of the loan's and of what the team gives them."""
    given = role_by_team(team, person)
    if given is None or not lives(document, team):
        return None
    return lower(document.team_shares[team.id]["role"], given)


def lower(role: ShareRole, other: str) -> ShareRole:
    """Return the lower one of two roles."""
    return role if DOCUMENT.highest([role, other]) == other else other  # type: ignore[return-value]
