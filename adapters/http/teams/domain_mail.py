"""HTTP for domains that are proved by a mail to their postmaster."""

from typing import ClassVar
from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import KEYED, operation
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body, LinkText
from application.teams.domain_mail import ProveDomainByMail, RequestDomainMail
from domain.access import TEAM

router = Router("/v1", tag="teams")


class DomainToken(Body):
    """The token of the link in a mail to a postmaster."""

    MAX_BYTES: ClassVar[int] = 4_096
    token: LinkText


@router.post(
    "/teams/{team_id}/domains/{domain_id}/mail",
    **operation(
        "The mail is on its way.",
        access=TEAM.action("manage_domains"),
        takes=KEYED,
        status=204,
        limits=["user", "invitation"],
    ),
)
async def request_domain_mail(team_id: UUID, domain_id: UUID, send: Send) -> Answer:
    """Send a mail with a link that proves a domain, to postmaster@ this domain only. Requires the admin role and a
    verified address of one's own.

    The mail names the team. The link works once, for 24 hours; a newer mail ends it. A postmaster gets at most 5 such
    mails a day, and a team sends 20 a day. The proof is good for 180 days: then publish the text record, or have
    another mail sent, within 7 days.
    """
    return await send(RequestDomainMail(id=team_id, domain_id=domain_id))


@router.post("/auth/prove-domain", **operation("The domain is proved.", takes=KEYED, fails=[403, 409], status=204))
async def prove_domain_by_mail(body: DomainToken, send: Send) -> Answer:
    """Make a domain a team's, with the token of the link in a mail to its postmaster. A link works once, for 24 hours.

    Any other answers 403 `domain_link_not_valid`. A domain belongs to one team at a time: 409 `taken`.
    """
    return await send(ProveDomainByMail(token=body.token))
