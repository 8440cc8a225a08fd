"""Policy: the admins of a team get a mail when the team has lost a domain."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.request_notices import TellTeam
from domain.teams.team import Team


@policy()
def tell_of_lost_domains(event: Team.DomainLost) -> Iterable[Reaction]:
    yield TellTeam(template="domain_lost", team_id=event.originator_id, due=event.timestamp)
