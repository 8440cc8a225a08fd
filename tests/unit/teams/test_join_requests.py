"""Join requests: asked, shown or not, answered, and what they must not tell."""

from datetime import timedelta
from uuid import UUID

import pytest

from application.identity.suspension import RequestDeletion
from application.identity.user import Deactivate
from application.ports import Actor, StaleVersion
from application.privacy.erasure import EraseTeam, EraseUser
from application.teams.dissolution import DissolveTeam
from application.teams.join_request import AcceptJoinRequest, AskToJoin, DeclineJoinRequest, WithdrawJoinRequest
from application.teams.settings import ChangeTeamSettings, TeamSettings
from application.teams.team import FoundTeam, LeaveTeam, RenameTeam
from domain.access import AddressNotVerified, RoleTooLow
from domain.kernel import ERASED, NotFound
from domain.requests import ASK_AGAIN_AFTER, DeclinedRecently
from domain.teams.join_request import JoinRequest
from domain.teams.joining import add_member
from domain.teams.naming import UnusableSlug
from domain.teams.refusals import AlreadyAMember, NoSuchJoinRequest, TeamIsFull
from domain.teams.settings import change_settings
from domain.teams.team import Team
from domain.text import MESSAGE_LENGTH, UnusableText
from tests.support.given import ID, NOW, address_of, fact, given, new_events, person
from tests.support.use_cases import PASSWORD, CommandRunner

ADA, BOB, EVE = map(person, (1, 2, 3))
BOBS = "bob@example.org"
NOTHING = UUID(int=0xDEAD)
FOUNDED = fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=2)
OPEN = fact(Team.SettingsChanged, join="by_request", domain_role=None)
ASKED = fact(JoinRequest.Asked, team_id=ID, user_id=BOB.user_id, asked_for="crew", message=None)
SHOWN = fact(JoinRequest.Shown, team_id=ID)


def crew(*past: object) -> Team:
    return given(Team, FOUNDED, *past)  # type: ignore[arg-type]


def accepted(by: Actor = ADA, team: Team | None = None) -> JoinRequest:
    """Bob's request, accepted."""
    request = given(JoinRequest, ASKED, SHOWN)
    request.accept(team or crew(OPEN), address_id=address_of(BOB), role="viewer", by=by, now=NOW)
    return request


def test_who_is_accepted_becomes_a_member_with_the_role() -> None:
    team = crew(OPEN)
    answer = fact(JoinRequest.Accepted, team_id=ID, user_id=BOB.user_id, role="viewer", answered_by=ADA.user_id)
    assert new_events(accepted(team=team)) == [answer]
    assert new_events(team) == [fact(Team.MemberJoined, user_id=BOB.user_id, role="viewer")]
    assert team.role_of(BOB, NOW) == "viewer"


def test_a_member_takes_a_seat_and_joins_once() -> None:
    full = crew(fact(Team.MemberJoined, user_id=EVE.user_id, role="viewer"))
    with pytest.raises(TeamIsFull):
        accepted(team=full)
    with pytest.raises(AlreadyAMember):
        add_member(full, user_id=EVE.user_id, address_id=address_of(EVE), role="viewer", now=NOW)


@pytest.mark.parametrize("at_once", [False, True])
def test_who_joins_takes_the_seat_of_their_invitation_which_ends(at_once: bool) -> None:
    until, domain_id = NOW + timedelta(days=1), UUID(int=0xD0)
    invited = fact(Team.MemberInvited, address_id=BOB.address_id, email=BOBS, role="admin", expires_at=until)
    settings = fact(Team.SettingsChanged, join="by_request", domain_role="viewer")
    proved = [fact(kind, domain_id=domain_id, name="example.org") for kind in (Team.DomainAdded, Team.DomainProved)]
    team = crew(settings, *proved, invited)
    if at_once:
        given(JoinRequest, ASKED).show(team, address_id=address_of(BOB), domain="example.org", now=NOW)
    else:
        accepted(team=team)
    ended = fact(Team.InvitationRevoked, address_id=BOB.address_id)
    assert new_events(team) == [ended, fact(Team.MemberJoined, user_id=BOB.user_id, role="viewer")]
    team.remove(user_id=BOB.user_id, by=ADA, now=NOW)
    assert team.role_of(BOB, NOW) is None


def test_while_the_record_of_a_domain_is_missing_its_holders_do_not_join_at_once() -> None:
    domain_id = UUID(int=0xD0)
    settings = fact(Team.SettingsChanged, join="by_request_from_domains", domain_role="viewer")
    proved = [fact(kind, domain_id=domain_id, name="example.org") for kind in (Team.DomainAdded, Team.DomainProved)]
    request = given(JoinRequest, ASKED)
    team = crew(settings, *proved, fact(Team.DomainMissed, domain_id=domain_id))
    request.show(team, address_id=address_of(BOB), domain="example.org", now=NOW)
    assert (new_events(request), new_events(team)) == ([SHOWN], [])


def test_only_admins_with_a_verified_address_answer() -> None:
    team = crew(fact(Team.MemberJoined, user_id=EVE.user_id, role="editor"))
    with pytest.raises(RoleTooLow):
        accepted(by=EVE, team=team)
    with pytest.raises(NotFound):
        accepted(by=person(9))
    with pytest.raises(AddressNotVerified):
        accepted(by=person(1, address=0))
    with pytest.raises(RoleTooLow):
        given(JoinRequest, ASKED, SHOWN).decline(team, by=EVE, now=NOW)


def test_a_request_that_the_team_does_not_see_or_that_is_answered_has_no_answer() -> None:
    for past in ([ASKED], [ASKED, SHOWN, fact(JoinRequest.Withdrawn)]):
        request = given(JoinRequest, *past)
        with pytest.raises(NoSuchJoinRequest):
            request.accept(crew(OPEN), address_id=address_of(BOB), role="viewer", by=ADA, now=NOW)
        with pytest.raises(NoSuchJoinRequest):
            request.decline(crew(OPEN), by=ADA, now=NOW)


def test_a_repeated_answer_is_no_event() -> None:
    team = crew(OPEN)
    request = accepted(team=team)
    request.accept(team, address_id=address_of(BOB), role="viewer", by=ADA, now=NOW)
    assert len(new_events(request)) == 1
    declined = given(JoinRequest, ASKED, SHOWN)
    for _ in range(2):
        declined.decline(team, by=ADA, now=NOW)
    assert len(new_events(declined)) == 1


@pytest.mark.parametrize(
    "past",
    [
        (),
        (OPEN, fact(Team.SettingsChanged, join="invited_only", domain_role=None)),
        (OPEN, fact(Team.MemberJoined, user_id=BOB.user_id, role="viewer")),
        (OPEN, fact(Team.DissolutionRequested, due=NOW)),
    ],
)
def test_a_team_sees_only_requests_that_it_allows(past: tuple[object, ...]) -> None:
    request = given(JoinRequest, ASKED)
    request.show(crew(*past), address_id=address_of(BOB), domain="example.org", now=NOW)
    assert new_events(request) == []


def test_a_request_is_shown_once() -> None:
    request = given(JoinRequest, ASKED)
    for _ in range(2):
        request.show(crew(OPEN), address_id=address_of(BOB), domain="example.org", now=NOW)
    assert new_events(request) == [SHOWN]


def test_after_it_was_declined_the_user_asks_again_seven_days_later() -> None:
    request = given(JoinRequest, ASKED, SHOWN)
    request.decline(crew(OPEN), by=ADA, now=NOW)
    with pytest.raises(DeclinedRecently):
        request.ask_again(asked_for="crew", message=None, by=BOB, now=NOW + ASK_AGAIN_AFTER - timedelta(seconds=1))
    request.ask_again(asked_for="crew", message=None, by=BOB, now=NOW + ASK_AGAIN_AFTER)
    assert (request.state, request.shown) == ("open", False)


def test_an_unverified_address_and_a_long_message_are_refused() -> None:
    with pytest.raises(AddressNotVerified):
        JoinRequest.ask(team_id=ID, asked_for="crew", message=None, by=person(2, address=0), now=NOW)
    with pytest.raises(UnusableText):
        JoinRequest.ask(team_id=ID, asked_for="crew", message="x" * (MESSAGE_LENGTH + 1), by=BOB, now=NOW)


def test_settings_that_stay_are_no_event_and_only_admins_change_them() -> None:
    team = crew(fact(Team.MemberJoined, user_id=EVE.user_id, role="editor"))
    change_settings(team, by=ADA, now=NOW)
    change_settings(team, join="invited_only", by=ADA, now=NOW)
    assert new_events(team) == []
    change_settings(team, join="by_request", by=ADA, now=NOW)
    assert new_events(team) == [OPEN]
    with pytest.raises(RoleTooLow):
        change_settings(team, join="invited_only", by=EVE, now=NOW)


class World:
    """A team of Ada's that users may ask to join."""

    def __init__(self, runner: CommandRunner, ada: Actor, bob: Actor, team_id: UUID) -> None:
        self.runner, self.ada, self.bob, self.id = runner, ada, bob, team_id

    async def ask(self, team: str = "crew", by: Actor | None = None) -> list[str]:
        """Ask; return the topics of the events."""
        before = len(self.runner.store.log)
        await self.runner.ask(AskToJoin(team=team, message="Please."), by or self.bob)
        return self.runner.happened()[before:]

    async def mails(self) -> list[tuple[str, str]]:
        """Return the receivers and templates of the mails that are due."""
        return [(mail.to, mail.template) for mail in await self.runner.work()]

    async def accept(self) -> None:
        await self.runner.ask(AcceptJoinRequest(id=self.id, user_id=self.bob.user_id, role="editor"), self.ada)


@pytest.fixture
async def world() -> World:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor(BOBS)
    team = await runner.ask(FoundTeam(name="Crew", slug="crew"), ada)
    await runner.ask(ChangeTeamSettings(id=team.id, join="by_request"), ada)
    await runner.work()
    return World(runner, ada, bob, team.id)


@pytest.mark.parametrize("by_id", [False, True])
async def test_who_asks_by_slug_or_id_is_accepted_and_both_get_a_mail(world: World, by_id: bool) -> None:
    await world.ask(str(world.id) if by_id else "crew")
    assert await world.mails() == [("ada@example.org", "join_asked")]
    await world.accept()
    assert await world.mails() == [(BOBS, "join_accepted")]
    await world.runner.ask(LeaveTeam(id=world.id), world.bob)


async def test_a_declined_user_gets_a_mail(world: World) -> None:
    await world.ask()
    await world.mails()
    await world.runner.ask(DeclineJoinRequest(id=world.id, user_id=world.bob.user_id), world.ada)
    assert await world.mails() == [(BOBS, "join_declined")]


async def test_what_a_team_does_not_allow_is_answered_alike_and_told_to_no_person(world: World) -> None:
    closed = await world.runner.ask(FoundTeam(name="Closed", slug="closed"), world.ada)
    for team in ("crew", "closed", "no-such-team", str(closed.id), str(NOTHING)):
        assert await world.ask(team) in (["join_request.asked"], ["join_request.asked_again"])
    assert await world.mails() == [("ada@example.org", "join_asked")]
    with pytest.raises(NoSuchJoinRequest):
        await world.runner.ask(AcceptJoinRequest(id=closed.id, user_id=world.bob.user_id, role="editor"), world.ada)


async def test_asking_reads_nothing_of_a_team(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even the time of the answer shows whether there is one."""
    loaded = []
    load = world.runner.store.load

    async def noted(kind: type[object], id: UUID, **more: object) -> object:
        loaded.append(kind)
        return await load(kind, id, **more)  # type: ignore[type-var, arg-type]

    monkeypatch.setattr(world.runner.store, "load", noted)
    await world.ask()
    await world.ask("no-such-team")
    assert {*loaded} == {JoinRequest}


async def test_a_slug_is_one(world: World) -> None:
    with pytest.raises(UnusableSlug):
        await world.ask("No Slug")


async def test_only_the_user_withdraws(world: World) -> None:
    await world.ask()
    id = JoinRequest.id_of(world.id, world.bob.user_id)
    for by, state in ((world.ada, "open"), (world.bob, "withdrawn"), (world.bob, "withdrawn")):
        await world.runner.ask(WithdrawJoinRequest(id=id), by)
        request = await world.runner.store.load(JoinRequest, id)
        assert request is not None
        assert request.state == state
    await world.runner.ask(WithdrawJoinRequest(id=NOTHING), world.bob)


@pytest.mark.parametrize("end", ["closed", "erased", "suspended"])
@pytest.mark.parametrize("shown", [False, True])
async def test_a_user_who_is_gone_joins_no_team(world: World, end: str, shown: bool) -> None:
    await world.ask()
    if shown:
        await world.mails()
    if end == "closed":
        await world.runner.ask(Deactivate(), world.bob)
    elif end == "erased":
        await world.runner.ask(EraseUser(id=world.bob.user_id))
    else:
        await world.runner.ask(RequestDeletion(password=PASSWORD), world.bob)
    with pytest.raises(NotFound):
        await world.accept()


async def test_a_request_of_a_user_whose_account_is_closed_is_shown_to_no_team(world: World) -> None:
    await world.ask()
    await world.runner.ask(Deactivate(), world.bob)
    await world.mails()
    request = await world.runner.store.load(JoinRequest, JoinRequest.id_of(world.id, world.bob.user_id))
    assert request is not None
    assert not request.shown


async def test_the_words_of_a_request_are_erased_with_its_user(world: World) -> None:
    await world.ask()
    await world.runner.ask(EraseUser(id=world.bob.user_id))
    [event] = await world.runner.store.events([(JoinRequest.id_of(world.id, world.bob.user_id), 1)])
    assert (vars(event)["message"], vars(event)["asked_for"]) == (ERASED, ERASED)


@pytest.mark.parametrize("erased", [False, True])
async def test_no_mail_comes_of_a_team_that_ends(world: World, erased: bool) -> None:
    if erased:
        await world.runner.ask(EraseTeam(id=world.id))
    else:
        await world.runner.ask(DissolveTeam(id=world.id), world.ada)
    await world.runner.work()
    await world.ask(str(world.id))
    assert await world.mails() == []


async def test_settings_have_a_tag_of_their_own(world: World) -> None:
    before = await world.runner.ask(ChangeTeamSettings(id=world.id), world.ada)
    await world.runner.ask(RenameTeam(id=world.id, name="Band"), world.ada)
    changed = await world.runner.ask(
        ChangeTeamSettings(id=world.id, join="invited_only"), world.ada, match=str(before.version)
    )
    assert changed == TeamSettings(world.id, "invited_only", None, changed.version)
    with pytest.raises(StaleVersion):
        await world.runner.ask(ChangeTeamSettings(id=world.id, join="by_request"), world.ada, match=str(before.version))
