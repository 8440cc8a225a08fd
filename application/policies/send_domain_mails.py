"""Policy: the postmaster of a domain gets the mail by which a team wants to prove it."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.teams.domain_mail_jobs import DomainMail
from domain.teams.team import Team


@policy()
def send_domain_mails(event: Team.DomainMailRequested) -> Iterable[Reaction]:
    yield DomainMail(team_id=event.originator_id, version=event.originator_version)
