"""Domains that are proved by a mail to their postmaster."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from application.ports import Actor, ClaimTaken, KeyReused, Mail
from application.teams.dissolution import DissolveTeam
from application.teams.domain import AddDomain, RemoveDomain
from application.teams.domain_mail import ProveDomainByMail, RequestDomainMail
from application.teams.domain_mail_limits import MAILS_OF_DOMAIN, MAILS_OF_TEAM, TooManyDomainMails
from application.teams.team import FoundTeam
from domain.access import AddressNotVerified, RoleTooLow
from domain.kernel import NotFound
from domain.teams.domain_mails import (
    DOMAIN_MAIL_LIFETIME,
    MAIL_PROOF_LIFETIME,
    needs_record,
    prove_by_mail,
    request_mail,
)
from domain.teams.domains import DOMAIN_LOST_AFTER, note_domain, prove_domain
from domain.teams.refusals import DissolutionIsRequested, DomainLinkNotValid, NoSuchDomain
from domain.teams.team import Team
from tests.support.given import NOW, fact, given, new_events, person
from tests.support.limits import domain_mail_limits
from tests.support.use_cases import CommandRunner

ADA, EVE = person(1), person(3)
DOMAIN, LINK, DIGEST = UUID(int=0xD0), UUID(int=0xE0), "d" * 64
FOUNDED = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=3)
ADDED = fact(Team.DomainAdded, domain_id=DOMAIN, name="example.org")
PROVED = fact(Team.DomainProved, domain_id=DOMAIN, name="example.org")
PROVED_BY_MAIL = fact(Team.DomainProvedByMail, domain_id=DOMAIN, name="example.org")
ASKED = fact(
    Team.DomainMailRequested,
    domain_id=DOMAIN,
    link_id=LINK,
    token_digest=DIGEST,
    expires_at=NOW + DOMAIN_MAIL_LIFETIME,
    requested_by=ADA.user_id,
)
OVER = NOW + MAIL_PROOF_LIFETIME


def crew(*past: object) -> Team:
    return given(Team, FOUNDED, ADDED, *past)  # type: ignore[arg-type]


def request(team: Team, by: Actor = ADA) -> None:
    request_mail(team, DOMAIN, link_id=LINK, token_digest=DIGEST, by=by, now=NOW)


def test_an_admin_with_a_verified_address_has_a_mail_sent() -> None:
    team = crew()
    request(team)
    assert new_events(team) == [ASKED]
    with pytest.raises(RoleTooLow):
        request(crew(fact(Team.MemberJoined, user_id=EVE.user_id, role="editor")), EVE)
    with pytest.raises(AddressNotVerified):
        request(crew(), person(1, address=0))


def test_its_link_proves_the_domain_once() -> None:
    team = crew(ASKED)
    prove_by_mail(team, token_digest=DIGEST, now=NOW)
    assert new_events(team) == [PROVED_BY_MAIL]
    assert team.holds("example.org")
    with pytest.raises(DomainLinkNotValid):
        prove_by_mail(team, token_digest=DIGEST, now=NOW)


@pytest.mark.parametrize(
    ("past", "digest", "after"),
    [
        ([], DIGEST, timedelta()),
        ([ASKED], "e" * 64, timedelta()),
        ([ASKED], DIGEST, DOMAIN_MAIL_LIFETIME),
        ([ASKED, fact(Team.DissolutionRequested, due=NOW)], DIGEST, timedelta()),
        ([ASKED, fact(Team.Dissolved, slug="crew")], DIGEST, timedelta()),
        ([ASKED, fact(Team.DomainRemoved, domain_id=DOMAIN, name="example.org", proved=False)], DIGEST, timedelta()),
    ],
)
def test_any_other_link_proves_nothing(past: list[object], digest: str, after: timedelta) -> None:
    team = crew(*past)
    with pytest.raises(DomainLinkNotValid):
        prove_by_mail(team, token_digest=digest, now=NOW + after)
    assert new_events(team) == []


def noted(team: Team, *, found: bool, at: object = NOW) -> list[object]:
    """The events of a finding."""
    note_domain(team, DOMAIN, found=found, now=at)  # type: ignore[arg-type]
    return [event.kind for event in new_events(team)]


def test_while_the_mail_is_good_no_record_is_needed() -> None:
    team = crew(PROVED_BY_MAIL)
    assert not needs_record(team.domains[DOMAIN], OVER - timedelta(seconds=1))
    assert noted(team, found=False) == noted(team, found=True) == []


def test_after_it_the_domain_is_lost_without_a_record_as_others_are() -> None:
    team, late = crew(PROVED_BY_MAIL), OVER + DOMAIN_LOST_AFTER
    assert noted(team, found=False, at=OVER) == [Team.DomainMissed]
    assert not team.holds("example.org")
    assert noted(team, found=False, at=late - timedelta(seconds=1)) == [Team.DomainMissed]
    assert noted(team, found=False, at=late) == [Team.DomainMissed, Team.DomainLost]


def test_a_record_takes_the_place_of_the_mail() -> None:
    assert noted(crew(PROVED_BY_MAIL), found=True, at=OVER) == [Team.DomainProved]
    team = crew(PROVED_BY_MAIL)
    prove_domain(team, DOMAIN, found=True, by=ADA, now=NOW)
    assert new_events(team) == [PROVED]
    assert needs_record(team.domains[DOMAIN], NOW)


def test_another_mail_takes_the_place_of_a_record_that_is_missing() -> None:
    team = crew(PROVED, fact(Team.DomainMissed, domain_id=DOMAIN), ASKED)
    prove_by_mail(team, token_digest=DIGEST, now=NOW)
    assert team.holds("example.org")
    assert noted(team, found=False) == [Team.DomainProvedByMail]


@dataclass
class World:
    """Two teams, which both name example.org."""

    runner: CommandRunner
    ada: Actor
    eve: Actor
    crew: UUID
    band: UUID
    of_crew: UUID
    of_band: UUID

    async def mail(self, *, by: Actor | None = None) -> list[Mail]:
        """Have a mail sent; return all mails that are sent."""
        team_id, domain_id = (self.band, self.of_band) if by is self.eve else (self.crew, self.of_crew)
        await self.runner.ask(RequestDomainMail(id=team_id, domain_id=domain_id), by or self.ada)
        return await self.runner.work()

    async def use(self, mail: Mail) -> None:
        """Use the link of a mail, without an account."""
        await self.runner.ask(ProveDomainByMail(token=mail.values["token"]))


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    ada, eve = [await runner.actor(f"{name}@example.com") for name in ("ada", "eve")]
    crew = (await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)).id
    band = (await runner.ask(FoundTeam(name="Band", slug="band"), eve)).id
    named = [await runner.ask(AddDomain(id=id, name="bücher.example"), by) for id, by in ((crew, ada), (band, eve))]
    await runner.work()
    return World(runner, ada, eve, crew, band, named[0].id, named[1].id)


async def test_only_the_postmaster_gets_the_mail_which_names_team_and_domain(world: World) -> None:
    [mail] = await world.mail()
    assert (mail.to, mail.template) == ("postmaster@xn--bcher-kva.example", "domain_proof")
    assert {**mail.values, "token": ""} == {"team": "Crew", "domain": "bücher.example", "token": ""}
    assert all(mail.values["token"] not in str(vars(event)) for event in world.runner.store.log)


async def test_the_latest_link_proves_the_domain_for_one_team(world: World) -> None:
    [first], [second], [theirs] = await world.mail(), await world.mail(), await world.mail(by=world.eve)
    with pytest.raises(DomainLinkNotValid):
        await world.use(first)
    await world.use(second)
    with pytest.raises(ClaimTaken):
        await world.use(theirs)
    await world.runner.ask(RemoveDomain(id=world.crew, domain_id=world.of_crew), world.ada)
    await world.use(theirs)


@pytest.mark.parametrize("token", ["", "x", "A" * 64])
async def test_a_text_that_is_no_token_proves_nothing(world: World, token: str) -> None:
    with pytest.raises(DomainLinkNotValid):
        await world.runner.ask(ProveDomainByMail(token=token))


async def test_no_mail_goes_out_that_has_ended_meanwhile(world: World) -> None:
    command = RequestDomainMail(id=world.crew, domain_id=world.of_crew)
    for _ in range(2):
        await world.runner.ask(command, world.ada)
    assert len(await world.runner.work()) == 1
    await world.runner.ask(command, world.ada)
    await world.runner.ask(RemoveDomain(id=world.crew, domain_id=world.of_crew), world.ada)
    assert await world.runner.work() == []


async def test_strangers_and_unknown_domains_cause_no_mail(world: World) -> None:
    with pytest.raises(NotFound):
        await world.runner.ask(RequestDomainMail(id=world.crew, domain_id=world.of_crew), world.eve)
    with pytest.raises(NoSuchDomain):
        await world.runner.ask(RequestDomainMail(id=world.crew, domain_id=world.of_band), world.ada)
    await world.runner.ask(DissolveTeam(id=world.crew), world.ada)
    with pytest.raises(DissolutionIsRequested):
        await world.mail()


async def test_a_postmaster_gets_few_mails_of_all_teams(world: World) -> None:
    world.runner.ports["domain_mails"] = world.runner.bus._ports["domain_mails"] = domain_mail_limits(scale=1)
    for by in (world.ada, world.eve, world.ada, world.eve, world.ada)[: MAILS_OF_DOMAIN[0]]:
        await world.mail(by=by)
    with pytest.raises(TooManyDomainMails):
        await world.mail(by=world.eve)


async def test_a_repeat_of_a_request_is_not_charged_again(world: World) -> None:
    world.runner.ports["domain_mails"] = world.runner.bus._ports["domain_mails"] = domain_mail_limits(scale=1)
    command = RequestDomainMail(id=world.crew, domain_id=world.of_crew)
    for _ in range(3 * MAILS_OF_DOMAIN[0]):
        await world.runner.send(command, world.ada, "once")
    for number in range(MAILS_OF_DOMAIN[0] - 1):
        await world.runner.send(command, world.ada, f"another {number}")
    with pytest.raises(TooManyDomainMails):
        await world.runner.send(command, world.ada, "one too many")
    assert (await world.runner.send(command, world.ada, "once")).replayed


async def test_a_request_that_is_refused_after_its_charge_gets_it_back(world: World) -> None:
    limits = domain_mail_limits(scale=1)
    world.runner.ports["domain_mails"] = world.runner.bus._ports["domain_mails"] = limits
    command = RequestDomainMail(id=world.crew, domain_id=world.of_crew)
    await world.runner.send(command, world.ada, "used")
    added = await world.runner.ask(AddDomain(id=world.crew, name="other.example"), world.ada)
    other = RequestDomainMail(id=world.crew, domain_id=added.id)
    for _ in range(2 * MAILS_OF_DOMAIN[0]):
        with pytest.raises(KeyReused):
            await world.runner.send(other, world.ada, "used")
    await world.runner.send(other, world.ada, "new")


async def test_a_team_sends_few_mails_to_all_postmasters() -> None:
    limits = domain_mail_limits(scale=1)
    for number in range(MAILS_OF_TEAM[0]):
        await limits.charge(DOMAIN, f"{number}.example")
    with pytest.raises(TooManyDomainMails):
        await limits.charge(DOMAIN, "other.example")


async def test_a_mail_that_is_refused_for_its_domain_is_not_charged_to_the_team() -> None:
    limits = domain_mail_limits(scale=1)
    for number in range(MAILS_OF_DOMAIN[0]):
        await limits.charge(UUID(int=number), "example.org")
    for _ in range(MAILS_OF_TEAM[0]):
        with pytest.raises(TooManyDomainMails):
            await limits.charge(DOMAIN, "example.org")
    await limits.charge(DOMAIN, "other.example")
