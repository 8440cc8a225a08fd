"""Use cases of mails that prove domains: have one sent, and use its link."""

from uuid import UUID

from application.charges import Charges
from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, LinkTokens, NewId, Store
from application.teams.domain_mail_limits import DomainMailLimits
from domain.teams import domain_mails as mails
from domain.teams.domains import domain_of
from domain.teams.team import Team


class RequestDomainMail(Command[None]):
    """Send the postmaster of a domain a mail with a link that proves it."""

    id: UUID
    domain_id: UUID


class ProveDomainByMail(Command[None]):
    """Make a domain a team's, by the token of the link in a mail to its postmaster."""

    token: str


@handles
async def request_domain_mail(
    cmd: RequestDomainMail,
    store: Store,
    actor: Actor,
    links: LinkTokens,
    domain_mails: DomainMailLimits,
    charges: Charges,
    new_id: NewId,
    clock: Clock,
) -> None:
    team, now = await store.get(Team, cmd.id), clock()
    mails.require_may_send(team, by=actor, now=now)
    charges.add(await domain_mails.charge(team.id, domain_of(team, cmd.domain_id)["name"]))
    link_id = new_id()
    digest = links.make("domain", team.id, link_id).digest
    mails.request_mail(team, cmd.domain_id, link_id=link_id, token_digest=digest, by=actor, now=now)
    store.save(team)


@handles
async def prove_domain_by_mail(cmd: ProveDomainByMail, store: Store, links: LinkTokens, clock: Clock) -> None:
    link = links.read(cmd.token)
    team = None if link is None else await find(store, Team, link.subject_id)
    if link is None or team is None:
        raise mails.domain_link_not_valid()
    mails.prove_by_mail(team, token_digest=link.digest, now=clock())
    store.save(team)
