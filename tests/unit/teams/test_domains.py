"""Domains of teams: named, proved, lost, removed, and what their holders may do."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from application.ports import Actor, ClaimTaken, ProvedDomain, Unavailable
from application.privacy.erasure import CarryOutDissolution, EraseTeam
from application.teams.dissolution import DissolveTeam
from application.teams.domain import AddDomain, NoteDomain, ProveDomain, RemoveDomain
from application.teams.domain_checks import CheckDomains, check_domains
from application.teams.join_request import AcceptJoinRequest, AskToJoin
from application.teams.settings import ChangeTeamSettings
from application.teams.team import FoundTeam, LeaveTeam, RemoveMember
from domain.access import AddressNotVerified, RoleTooLow
from domain.kernel import NotFound
from domain.teams import domains
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.domains import (
    DOMAIN_LOST_AFTER,
    UnusableDomain,
    add_domain,
    note_domain,
    prove_domain,
    record_name,
    record_value,
    remove_domain,
    usable_domain,
)
from domain.teams.refusals import DomainNotProved, DomainOfAll, NoSuchDomain, TooManyDomains
from domain.teams.settings import DomainRole, JoinRule
from domain.teams.team import Team
from tests.support.given import NOW, fact, given, new_events, person
from tests.support.use_cases import CommandRunner

ADA, EVE = person(1), person(3)
DOMAIN = UUID(int=0xD0)
FOUNDED = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=3)
ADDED = fact(Team.DomainAdded, domain_id=DOMAIN, name="example.org")
PROVED = fact(Team.DomainProved, domain_id=DOMAIN, name="example.org")
MISSED = fact(Team.DomainMissed, domain_id=DOMAIN)


def crew(*past: object) -> Team:
    return given(Team, FOUNDED, *past)  # type: ignore[arg-type]


def add(team: Team, name: str = "example.org", by: Actor = ADA, *, public: bool = False) -> UUID:
    return add_domain(team, domain_id=DOMAIN, name=name, is_public_provider=public, by=by, now=NOW)


def test_a_domain_is_named_once() -> None:
    team = crew()
    assert add(team) == add(team, "EXAMPLE.org ") == DOMAIN
    assert new_events(team) == [ADDED]


@pytest.mark.parametrize("name", ["", "localhost", "example.org.", "a b.org", "-.org", f"{'a' * 64}.org", "é..org"])
def test_what_is_no_domain_is_refused(name: str) -> None:
    with pytest.raises(UnusableDomain):
        add(crew(), name)


def test_a_domain_that_leaves_no_room_for_the_label_is_refused() -> None:
    with pytest.raises(UnusableDomain):
        usable_domain(".".join(["a" * 60] * 4) + ".org")


def test_an_international_domain_has_one_form_and_its_record_is_in_ascii() -> None:
    assert usable_domain("BÜCHER.example") == usable_domain("xn--bcher-kva.example") == "bücher.example"
    assert record_name("bücher.example") == "_palimpsest.xn--bcher-kva.example"


def test_a_public_provider_and_too_many_domains_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DomainOfAll):
        add(crew(), "gmail.com", public=True)
    monkeypatch.setattr(domains, "MAX_DOMAINS", 1)
    with pytest.raises(TooManyDomains):
        add(crew(ADDED), "example.com")


def test_only_admins_manage_domains() -> None:
    team = crew(ADDED, fact(Team.MemberJoined, user_id=EVE.user_id, role="editor"))
    for refused in (
        lambda: add(team, by=EVE),
        lambda: prove_domain(team, DOMAIN, found=True, by=EVE, now=NOW),
        lambda: remove_domain(team, DOMAIN, by=EVE, now=NOW),
    ):
        with pytest.raises(RoleTooLow):
            refused()
    with pytest.raises(AddressNotVerified):
        add(team, by=person(1, address=0))


def test_a_domain_is_proved_by_its_record_and_stays_so() -> None:
    team = crew(ADDED)
    with pytest.raises(DomainNotProved):
        prove_domain(team, DOMAIN, found=False, by=ADA, now=NOW)
    for _ in range(2):
        prove_domain(team, DOMAIN, found=True, by=ADA, now=NOW)
    assert new_events(team) == [PROVED]
    assert team.has_proved("example.org")
    with pytest.raises(NoSuchDomain):
        prove_domain(crew(), DOMAIN, found=True, by=ADA, now=NOW)


def noted(team: Team, *found: bool, at: datetime = NOW) -> list[object]:
    """The events of these findings."""
    for each in found:
        note_domain(team, DOMAIN, found=each, now=at)
    return [event.kind for event in new_events(team)]


def test_a_record_that_is_missing_for_long_loses_the_domain() -> None:
    assert noted(crew(ADDED), False) == []
    assert noted(crew(), False) == []
    assert noted(crew(ADDED, PROVED), True, False, False, True) == [Team.DomainMissed, Team.DomainFoundAgain]
    late = NOW + DOMAIN_LOST_AFTER
    assert noted(crew(ADDED, PROVED, MISSED), False, at=late - timedelta(seconds=1)) == []
    lost = crew(ADDED, PROVED, MISSED)
    assert noted(lost, False, at=late) == [Team.DomainLost]
    assert not lost.has_proved("example.org")


def test_a_missing_record_that_an_admin_has_found_is_there_again() -> None:
    team = crew(ADDED, PROVED, MISSED)
    prove_domain(team, DOMAIN, found=True, by=ADA, now=NOW)
    assert new_events(team) == [fact(Team.DomainFoundAgain, domain_id=DOMAIN)]


def test_a_domain_is_removed_once() -> None:
    team = crew(ADDED, PROVED)
    for _ in range(2):
        remove_domain(team, DOMAIN, by=ADA, now=NOW)
    assert new_events(team) == [fact(Team.DomainRemoved, domain_id=DOMAIN, name="example.org", proved=True)]


@dataclass(frozen=True)
class NamedDomain:
    """A domain of a team, and the record that proves it."""

    id: UUID
    record_name: str
    record_value: str


class World:
    """Two teams, and a user with an address at example.org."""

    def __init__(self, runner: CommandRunner, ada: Actor, eve: Actor, bob: Actor) -> None:
        self.runner, self.ada, self.eve, self.bob = runner, ada, eve, bob
        self.crew = self.band = UUID(int=0)

    async def add(self, name: str = "example.org", *, by: Actor | None = None) -> NamedDomain:
        team_id = self.band if by is self.eve else self.crew
        added = await self.runner.ask(AddDomain(id=team_id, name=name), by or self.ada)
        return NamedDomain(added.id, record_name(name), record_value(added.id))

    def publish(self, domain: NamedDomain) -> None:
        self.runner.records.records.setdefault(domain.record_name, []).append(domain.record_value)

    async def prove(self, domain: NamedDomain, *, by: Actor | None = None) -> None:
        team_id = self.band if by is self.eve else self.crew
        await self.runner.ask(ProveDomain(id=team_id, domain_id=domain.id), by or self.ada)

    async def proved(self) -> NamedDomain:
        """A domain of the crew."""
        domain = await self.add()
        self.publish(domain)
        await self.prove(domain)
        return domain

    async def check(self) -> list[tuple[str, str]]:
        """Let the schedule check all domains; return the receivers and templates of the mails."""
        ports = {**self.runner.performer_ports, "proved_domains": Proved(self.runner.store, self.crew)}
        ports = {name: ports[name] for name in ("proved_domains", "events", "records", "send", "clock")}
        await check_domains(CheckDomains(), **ports)  # type: ignore[arg-type]
        return [(mail.to, mail.template) for mail in await self.runner.work()]

    async def team(self) -> Team:
        team = await self.runner.store.load(Team, self.crew)
        assert team is not None
        return team


class Proved:
    """Implements `application.ports.ProvedDomains` on the team itself."""

    def __init__(self, store: object, team_id: UUID) -> None:
        self._store, self._id = store, team_id

    async def proved(self, *, after: UUID | None) -> list[ProvedDomain]:
        team = await self._store.load(Team, self._id)  # type: ignore[attr-defined]
        found = [ProvedDomain(self._id, id) for id, domain in team.domains.items() if domain["proved"]]
        return found if after is None else []


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    people = [await runner.actor(f"{name}@{domain}") for name, domain in PEOPLE]
    world = World(runner, *people)
    world.crew = (await runner.ask(FoundTeam(name="Crew", slug="crew"), world.ada)).id
    world.band = (await runner.ask(FoundTeam(name="Band", slug="band"), world.eve)).id
    await runner.work()
    return world


PEOPLE = (("ada", "example.com"), ("eve", "example.net"), ("bob", "example.org"))


async def test_the_record_of_another_team_proves_nothing(world: World) -> None:
    mine, theirs = await world.add(), await world.add(by=world.eve)
    assert mine.record_name == theirs.record_name == "_palimpsest.example.org"
    assert mine.record_value == record_value(mine.id) != theirs.record_value
    world.publish(mine)
    with pytest.raises(DomainNotProved):
        await world.prove(theirs, by=world.eve)
    await world.prove(mine)


async def test_a_proved_domain_belongs_to_one_team_until_it_is_given_up(world: World) -> None:
    mine, theirs = await world.proved(), await world.add(by=world.eve)
    world.publish(theirs)
    with pytest.raises(ClaimTaken):
        await world.prove(theirs, by=world.eve)
    await world.runner.ask(RemoveDomain(id=world.crew, domain_id=mine.id), world.ada)
    await world.prove(theirs, by=world.eve)


@pytest.mark.parametrize("erased", [False, True])
async def test_a_team_that_ends_gives_its_domains_up(world: World, erased: bool) -> None:
    await world.proved()
    if erased:
        await world.runner.ask(EraseTeam(id=world.crew))
    else:
        await world.runner.ask(DissolveTeam(id=world.crew), world.ada)
        world.runner.now += DISSOLUTION_GRACE
        await world.runner.ask(CarryOutDissolution(id=world.crew))
    theirs = await world.add(by=world.eve)
    world.publish(theirs)
    await world.prove(theirs, by=world.eve)


async def test_servers_that_do_not_answer_neither_prove_nor_lose_a_domain(world: World) -> None:
    domain = await world.proved()
    world.runner.records.broken.add(domain.record_name)
    with pytest.raises(Unavailable):
        await world.prove(domain)
    assert await world.check() == []
    assert (await world.team()).domains[domain.id]["missing_since"] is None


async def test_a_record_that_is_gone_for_a_week_loses_the_domain_and_the_admins_get_a_mail(world: World) -> None:
    domain = await world.proved()
    assert await world.check() == []
    world.runner.records.records.clear()
    assert await world.check() == []
    world.runner.now += DOMAIN_LOST_AFTER
    assert await world.check() == [("ada@example.com", "domain_lost")]
    assert await world.check() == []
    assert not (await world.team()).domains[domain.id]["proved"]


@pytest.mark.parametrize("name", ["gmail.com", "GMAIL.com", "mail.gmail.com", "outlook.com", "web.de"])
async def test_domains_of_public_providers_are_refused(world: World, name: str) -> None:
    with pytest.raises(DomainOfAll):
        await world.add(name)


async def test_what_is_gone_is_not_noted(world: World) -> None:
    with pytest.raises(NotFound):
        await world.runner.ask(NoteDomain(id=UUID(int=1), domain_id=UUID(int=2), found=False))
    await world.runner.ask(NoteDomain(id=world.crew, domain_id=UUID(int=2), found=False))


@pytest.mark.parametrize(
    ("join", "role", "proved", "comes_of_it"),
    [
        ("invited_only", None, True, "nothing"),
        ("invited_only", "viewer", True, "nothing"),
        ("by_request_from_domains", None, False, "nothing"),
        ("by_request_from_domains", "viewer", False, "nothing"),
        ("by_request_from_domains", None, True, "shown"),
        ("by_request_from_domains", "viewer", True, "joined"),
        ("by_request", None, True, "shown"),
        ("by_request", "guest", False, "shown"),
        ("by_request", "guest", True, "joined"),
    ],
)
async def test_the_settings_say_what_comes_of_a_request(
    world: World, join: JoinRule, role: DomainRole | None, proved: bool, comes_of_it: str
) -> None:
    await world.runner.ask(ChangeTeamSettings(id=world.crew, join=join, domain_role=role), world.ada)
    if proved:
        await world.proved()
    await world.runner.ask(AskToJoin(team="crew"), world.bob)
    mails = [(mail.to, mail.template) for mail in await world.runner.work()]
    assert (
        mails
        == {
            "nothing": [],
            "shown": [("ada@example.com", "join_asked")],
            "joined": [("bob@example.org", "join_accepted")],
        }[comes_of_it]
    )
    assert (await world.team()).members.get(world.bob.user_id) == (role if comes_of_it == "joined" else None)


async def test_without_a_free_seat_the_admins_answer(world: World) -> None:
    await world.proved()
    await world.runner.ask(ChangeTeamSettings(id=world.crew, join="by_request", domain_role="viewer"), world.ada)
    for number in range(4):
        await world.runner.ask(AskToJoin(team="crew"), await world.runner.actor(f"{number}@example.org"))
        await world.runner.work()
    assert len((await world.team()).members) == 5
    await world.runner.ask(AskToJoin(team="crew"), world.bob)
    assert [mail.template for mail in await world.runner.work()] == ["join_asked"]


async def test_a_user_who_was_removed_does_not_join_at_once_again(world: World) -> None:
    await world.proved()
    await world.runner.ask(ChangeTeamSettings(id=world.crew, join="by_request", domain_role="viewer"), world.ada)
    await world.runner.ask(AskToJoin(team="crew"), world.bob)
    await world.runner.work()
    await world.runner.ask(RemoveMember(id=world.crew, user_id=world.bob.user_id), world.ada)
    await world.runner.ask(AskToJoin(team="crew"), world.bob)
    assert [mail.template for mail in await world.runner.work()] == ["join_asked"]
    await world.runner.ask(AcceptJoinRequest(id=world.crew, user_id=world.bob.user_id, role="viewer"), world.ada)
    await world.runner.ask(LeaveTeam(id=world.crew), world.bob)
    await world.runner.ask(AskToJoin(team="crew"), world.bob)
    assert [mail.template for mail in await world.runner.work()] == ["join_accepted", "join_accepted"]


async def test_an_address_of_a_subdomain_is_not_one_of_the_domain(world: World) -> None:
    await world.proved()
    settings = ChangeTeamSettings(id=world.crew, join="by_request_from_domains", domain_role="viewer")
    await world.runner.ask(settings, world.ada)
    await world.runner.ask(AskToJoin(team="crew"), await world.runner.actor("eve@mail.example.org"))
    assert await world.runner.work() == []


async def test_a_role_is_taken_out_of_the_settings(world: World) -> None:
    await world.runner.ask(ChangeTeamSettings(id=world.crew, domain_role="viewer"), world.ada)
    kept = await world.runner.ask(ChangeTeamSettings(id=world.crew, join="by_request"), world.ada)
    gone = await world.runner.ask(ChangeTeamSettings(id=world.crew, domain_role=None), world.ada)
    assert (kept.domain_role, gone.domain_role, gone.join) == ("viewer", None, "by_request")
