"""Integration events of the domains of teams: none."""

from adapters.integration_events.kernel import keep_private
from domain.teams.team import Team

for event_class in (
    Team.DomainAdded,
    Team.DomainProved,
    Team.DomainMailRequested,
    Team.DomainProvedByMail,
    Team.DomainMissed,
    Team.DomainFoundAgain,
    Team.DomainLost,
    Team.DomainRemoved,
):
    keep_private(event_class, "which domains a team has concerns its admins alone")
