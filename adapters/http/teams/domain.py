"""HTTP for the domains of teams."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import FRESH, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.teams.domain import AddDomain, AddedDomain, ProveDomain, RemoveDomain
from domain.access import TEAM
from domain.teams.domains import MAX_DOMAIN_LENGTH
from projections.teams.team_domain import DomainView, team_domains

router = Router("/v1/teams/{team_id}/domains", tag="teams")


class DomainName(Body):
    """A domain, in Unicode or as DNS has it."""

    name: Annotated[str, Field(min_length=3, max_length=MAX_DOMAIN_LENGTH, examples=["example.org"])]


@router.get(
    "",
    response_model=list[DomainView],
    **operation("The domains.", access=TEAM.action("list_domains"), takes=FRESH),
)
async def list_domains(team_id: UUID, read: Read) -> Answer:
    """List the domains of a team, and the text records that prove them. Requires the admin role."""
    return read.unversioned(read.found(await read.query(team_domains, read.history, read.actor, team_id)))


@router.post(
    "",
    response_model=AddedDomain,
    **operation("The domain.", access=TEAM.action("manage_domains"), takes=KEYED, status=201),
)
async def add_domain(team_id: UUID, body: DomainName, send: Send) -> Answer:
    """Name a domain that the team wants to prove. Requires the admin role and a verified address of one's own.

    Publish the text record (TXT) that the list of domains shows: at `record_name`, with `record_value`. Domains of
    public providers of addresses, such as gmail.com, are refused: 422 `domain_of_all`.
    """
    return await send(AddDomain(id=team_id, name=body.name), at=f"/v1/teams/{team_id}/domains/{{}}")


@router.post(
    "/{domain_id}/prove",
    **operation(
        "The domain is proved.",
        access=TEAM.action("manage_domains"),
        takes=KEYED,
        status=204,
        limits=["user", "domain-check"],
    ),
)
async def prove_domain(team_id: UUID, domain_id: UUID, send: Send) -> Answer:
    """Look for the text record of a domain, and make the domain the team's. Requires the admin role.

    Without the record: 409 `domain_not_proved`. A domain belongs to one team at a time: 409 `taken`. The record is
    looked for again every day; after 7 days without it the domain is not proved any more, and the admins get a mail.
    """
    return await send(ProveDomain(id=team_id, domain_id=domain_id))


@router.delete(
    "/{domain_id}",
    **operation("The domain is removed.", access=TEAM.action("manage_domains"), takes=KEYED, status=204),
)
async def remove_domain(team_id: UUID, domain_id: UUID, send: Send) -> Answer:
    """Remove a domain of a team. Requires the admin role. Members stay."""
    return await send(RemoveDomain(id=team_id, domain_id=domain_id))
