"""Job: the mail to a postmaster that proves a domain."""

from typing import ClassVar
from uuid import UUID

from application.jobs import JobFailed, performs
from application.mail_jobs import MailJob, send_mail
from application.ports import Clock, EventStore, LinkTokens, Mail, Mailer
from domain.teams.domain_mails import POSTMASTER
from domain.teams.domains import ascii_domain
from domain.teams.team import Team


class DomainMail(MailJob, frozen=True, kw_only=True):
    """Send the postmaster of a domain the link that proves it. `version`: that of the event."""

    kind: ClassVar[str] = "domain_mail"

    team_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"domain.{self.team_id.hex}.{self.version}"


@performs
async def send_domain_mail(
    job: DomainMail, events: EventStore, links: LinkTokens, mailer: Mailer, clock: Clock
) -> None:
    team = await events.load(Team, job.team_id)
    [event] = await events.events([(job.team_id, job.version)])
    if team is None or not isinstance(event, Team.DomainMailRequested):
        return
    domain = team.domains.get(event.domain_id)
    # Meanwhile the domain may be gone, or the link may have been used or replaced by another.
    mail = None if domain is None else domain["mail"]
    if domain is None or mail is None or mail["link_id"] != event.link_id or clock() >= mail["expires_at"]:
        return
    link = links.again("domain", team.id, event.link_id, event.token_digest)
    if link is None:
        raise JobFailed("the signing key of the link was destroyed; the team must have another mail sent")
    values = {"team": team.name, "domain": domain["name"], "token": link.token}
    await send_mail(
        mailer, Mail(f"{POSTMASTER}@{ascii_domain(domain['name'])}", "domain_proof", values, job.effect_key)
    )
