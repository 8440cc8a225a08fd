"""The dissolution of a team: an owner requests it, and may withdraw it for `DISSOLUTION_GRACE`.

Until then the team is read-only, but members may leave, and its slug stays its own.
"""

from datetime import datetime, timedelta

from domain.access import Person
from domain.teams.team import Team

DISSOLUTION_GRACE = timedelta(days=14)
"""How long a team can be had back after its dissolution was requested."""


def request(team: Team, *, by: Person, now: datetime) -> None:
    """Dissolve the team after `DISSOLUTION_GRACE`. A second request causes no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person is not an owner, or the team is dissolved.
    """
    team.require("dissolve", by, now)
    if team.dissolution_due is None:
        team.trigger_event(Team.DissolutionRequested, now=now, due=now + DISSOLUTION_GRACE)


def withdraw(team: Team, *, by: Person, now: datetime) -> None:
    """Keep the team after all. Without a request there is no event.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved: the person is not an owner, or the team is dissolved.
    """
    team.require("dissolve", by, now)
    if team.dissolution_due is not None:
        team.trigger_event(Team.DissolutionWithdrawn, now=now)


def carry_out(team: Team, *, now: datetime) -> None:
    """Dissolve the team if that is due; its slug is free again. No actor: a schedule asks for it."""
    if team.dissolved_at is None and team.dissolution_due is not None and now >= team.dissolution_due:
        for domain_id in [*team.domains]:
            team.give_up_domain(domain_id, now=now)
        team.trigger_event(Team.Dissolved, now=now, slug=team.slug)
