"""Owners of new documents: the actor, or a team in which the actor may create some."""

from uuid import UUID

from application.ports import Actor, Store
from domain.content.team_roles import require_by_team
from domain.kernel import Party
from domain.teams.team import Team


async def owner_of_new(store: Store, team_id: UUID | None, actor: Actor) -> Party:
    """Return the owner of a new document; `team_id`: None is the actor.

    Raises:
        NotFound, RoleTooLow: the actor may not create documents in the team.
    """
    if team_id is None:
        return Party("user", actor.user_id)
    require_by_team("create_in_team", await store.get(Team, team_id), actor)
    return Party("team", team_id)
