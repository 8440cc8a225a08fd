"""Teams: who is in, who may do what, and never more members than seats nor fewer owners than one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from application.ports import Actor
from domain.access import AddressNotVerified, Person, RoleTooLow
from domain.kernel import Claim, NotFound, Refusal
from domain.teams import dissolution, invitations, ownership
from domain.teams.invitation_times import INVITATION_LIFETIME, RESEND_INTERVAL
from domain.teams.joining import add_member
from domain.teams.naming import UnusableSlug
from domain.teams.refusals import (
    AlreadyAMember,
    InvitationExpired,
    InvitedRecently,
    LastOwner,
    NoSuchMember,
    TeamIsDissolved,
    TeamIsFull,
)
from domain.teams.roles import RANKING, InvitedRole, Role
from domain.teams.seats import SEATS, follow_plan
from domain.teams.team import Team
from domain.text import UnusableEmail, UnusableText
from tests.support.given import ID, NOW, Fact, address_of, fact, given, new_events, person, replayed, state
from tests.support.stored import by_hand, decoded

ADA, ADMIN, MEMBER, BOB, STRANGER, SECOND, INVITED, VIEWER, GUEST = map(person, range(1, 10))
EMAIL = "bob@example.org"
EXPIRED = NOW + INVITATION_LIFETIME


def founded(seats: int = 5) -> Fact:
    return fact(Team.Founded, name="Crew", slug="crew", owner_id=ADA.user_id, seats=seats)


def invited(whom: Actor, role: InvitedRole = "editor") -> Fact:
    return fact(
        Team.MemberInvited,
        address_id=whom.address_id,
        email=EMAIL,
        role=role,
        expires_at=EXPIRED,
        invited_by=ADA.user_id,
    )


def accepted(who: Actor, role: InvitedRole = "editor") -> Fact:
    return fact(Team.InvitationAccepted, address_id=who.address_id, user_id=who.user_id, role=role)


def became(who: Actor, role: Role) -> Fact:
    return fact(Team.MemberRoleChanged, user_id=who.user_id, role=role)


def joined(who: Actor, role: Role) -> list[Fact]:
    return [invited(who), accepted(who), became(who, role)]


CREW = [founded(), invited(ADMIN, "admin"), accepted(ADMIN, "admin"), invited(MEMBER), accepted(MEMBER)]
DISSOLVED = fact(Team.Dissolved, slug="crew")


def invite(team: Team, whom: Actor = BOB, role: InvitedRole = "editor", by: Person = ADA) -> None:
    invitations.invite(team, address_id=address_of(whom), email=EMAIL, role=role, by=by, now=NOW)


# Founding


def test_a_founder_owns_the_team_alone() -> None:
    team = Team.found(id=ID, name=" Crew ", slug="crew", owner_id=ADA.user_id, now=NOW)
    assert new_events(team) == [founded(seats=SEATS["free"])]
    assert (team.name, team.slug, team.seats, team.members) == ("Crew", "crew", 5, {ADA.user_id: "owner"})


def test_a_team_claims_its_slug() -> None:
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    [event] = team.pending_events
    assert isinstance(event, Team.Founded)
    assert list(event.claims()) == [Claim("team_slug", "crew")]


@pytest.mark.parametrize("slug", ["abc", "a-b", "42nd-street", "x" * 40])
def test_a_slug_fits_into_an_address(slug: str) -> None:
    assert Team.found(id=ID, name="Crew", slug=slug, owner_id=ADA.user_id, now=NOW).slug == slug


@pytest.mark.parametrize("slug", ["", "ab", "x" * 41, "Crew", "a--b", "-ab", "ab-", "a b", "crèw", "abc\n", "٣٤٥"])
def test_other_slugs_are_refused(slug: str) -> None:
    with pytest.raises(UnusableSlug):
        Team.found(id=ID, name="Crew", slug=slug, owner_id=ADA.user_id, now=NOW)


def test_a_team_is_renamed_once_and_keeps_its_slug() -> None:
    team = given(Team, founded())
    team.rename("Band", by=ADA, now=NOW)
    team.rename("Band ", by=ADA, now=NOW)
    assert new_events(team) == [fact(Team.Renamed, name="Band")]
    assert (team.name, team.slug) == ("Band", "crew")
    with pytest.raises(UnusableText):
        team.rename("", by=ADA, now=NOW)


def test_a_team_changes_its_slug_once_and_gives_the_former_one_up() -> None:
    team = given(Team, founded())
    team.change_slug("band", by=ADA, now=NOW)
    team.change_slug("band", by=ADA, now=NOW)
    [event] = team.pending_events
    assert isinstance(event, Team.SlugChanged)
    assert new_events(team) == [fact(Team.SlugChanged, slug="band", former_slug="crew")]
    assert (list(event.claims()), list(event.releases())) == (
        [Claim("team_slug", "band")],
        [Claim("team_slug", "crew")],
    )
    with pytest.raises(UnusableSlug):
        team.change_slug("B", by=ADA, now=NOW)


# Invitations


def test_a_person_is_invited_once_for_two_weeks() -> None:
    team = given(Team, founded())
    invite(team)
    invite(team)
    assert new_events(team) == [invited(BOB)]
    assert team.members == {ADA.user_id: "owner"}


def test_an_invitation_with_another_role_takes_the_place_of_the_first() -> None:
    team = given(Team, founded(seats=2), invited(BOB))
    with pytest.raises(InvitedRecently):
        invite(team, role="admin")
    bob = address_of(BOB)
    invitations.invite(team, address_id=bob, email=EMAIL, role="admin", by=ADA, now=NOW + RESEND_INTERVAL)
    assert (team.invited, team.invited_until) == ({bob: "admin"}, {bob: EXPIRED + RESEND_INTERVAL})


def test_an_invitation_makes_a_member_of_the_holder_of_the_address() -> None:
    team = given(Team, founded(), invited(BOB, "admin"))
    invitations.accept(team, by=BOB, now=NOW)
    invitations.accept(team, by=BOB, now=NOW)
    assert new_events(team) == [accepted(BOB, "admin")]
    assert team.members == {ADA.user_id: "owner", BOB.user_id: "admin"}
    assert (team.invited, team.invited_until) == ({}, {})


@pytest.mark.parametrize("who", [STRANGER, person(BOB.user_id.int, address=0), person(BOB.user_id.int, address=9)])
def test_only_the_holder_of_the_address_can_answer(who: Person) -> None:
    team = given(Team, founded(), invited(BOB))
    for answer in (invitations.accept, invitations.decline):
        with pytest.raises(NotFound) as refused:
            answer(team, by=who, now=NOW)
        assert refused.value.code == "not_found"
    assert new_events(team) == []


def test_an_expired_invitation_gives_no_role() -> None:
    """L2: a team was read by the holder of an invitation that had expired long ago."""
    team = given(Team, founded(), invited(BOB))
    moments = (NOW, EXPIRED - timedelta(microseconds=1), EXPIRED)
    assert [team.role_of(BOB, now) for now in moments] == ["invited", "invited", None]


def test_an_expired_invitation_is_no_good_but_can_be_renewed() -> None:
    team = given(Team, founded(), invited(BOB))
    with pytest.raises(InvitationExpired):
        invitations.accept(team, by=BOB, now=EXPIRED)
    invitations.invite(team, address_id=address_of(BOB), email=EMAIL, role="editor", by=ADA, now=EXPIRED)
    invitations.accept(team, by=BOB, now=EXPIRED)
    assert BOB.user_id in team.members


def test_an_invitation_is_declined() -> None:
    team = given(Team, founded(), invited(BOB))
    invitations.decline(team, by=BOB, now=NOW)
    assert new_events(team) == [fact(Team.InvitationDeclined, address_id=BOB.address_id)]
    with pytest.raises(NotFound):
        invitations.accept(team, by=BOB, now=NOW)


def test_an_answered_invitation_goes_to_no_later_holder_of_the_address() -> None:
    moved, heir = person(BOB.user_id.int, address=7), person(8, address=BOB.user_id.int)
    unanswered, joined = given(Team, *CREW, invited(BOB)), given(Team, *CREW, invited(BOB), accepted(BOB))
    declined = given(Team, *CREW, invited(BOB), fact(Team.InvitationDeclined, address_id=BOB.address_id))
    roles = [[team.role_of(who, NOW) for who in (moved, heir)] for team in (unanswered, joined, declined)]
    assert roles == [[None, "invited"], ["editor", None], [None, None]]


def test_an_invitation_is_revoked_once() -> None:
    team = given(Team, founded(), invited(BOB))
    invitations.revoke(team, address_id=address_of(BOB), by=ADA, now=NOW)
    invitations.revoke(team, address_id=address_of(BOB), by=ADA, now=NOW)
    assert new_events(team) == [fact(Team.InvitationRevoked, address_id=BOB.address_id)]
    with pytest.raises(NotFound):
        invitations.accept(team, by=BOB, now=NOW)


def test_an_invitation_takes_a_verified_address_of_ones_own() -> None:
    """Case 13: a person invited others in the name of an address that was not shown to be theirs."""
    team = given(Team, *CREW, invited(BOB))
    for by in (person(ADA.user_id.int, address=0), person(ADMIN.user_id.int, address=0)):
        with pytest.raises(AddressNotVerified, match="Verify your own email address"):
            invite(team, by=by, whom=STRANGER)
        invitations.revoke(team, address_id=address_of(BOB), by=by, now=NOW)
    with pytest.raises(NotFound):
        invite(team, by=person(STRANGER.user_id.int, address=0))
    assert new_events(team) == [fact(Team.InvitationRevoked, address_id=BOB.address_id)]


def test_an_admin_does_not_invite_themselves() -> None:
    with pytest.raises(AlreadyAMember):
        invite(given(Team, founded()), whom=ADA)


def test_a_member_does_not_become_another_by_a_second_address() -> None:
    team = given(Team, founded(), invited(BOB))
    ada_as_bob = Actor(ADA.user_id, BOB.address_id)
    with pytest.raises(AlreadyAMember):
        invitations.accept(team, by=ada_as_bob, now=NOW)
    invitations.decline(team, by=ada_as_bob, now=NOW)
    assert team.members == {ADA.user_id: "owner"}


def test_an_invitation_needs_an_address() -> None:
    team = given(Team, founded())
    with pytest.raises(UnusableEmail):
        invitations.invite(team, address_id=address_of(BOB), email="bob", role="editor", by=ADA, now=NOW)


def test_a_team_remembers_no_address_of_others() -> None:
    team = given(Team, founded())
    invite(team)
    assert EMAIL not in repr(state(team))


# Seats


def test_a_full_team_refuses_a_member() -> None:
    team = given(Team, founded(seats=1))
    with pytest.raises(TeamIsFull):
        invite(team)
    assert new_events(team) == []


def test_an_open_invitation_holds_a_seat() -> None:
    team = given(Team, founded(seats=2), invited(BOB))
    assert team.seats_taken(NOW) == 2
    with pytest.raises(TeamIsFull):
        invite(team, whom=STRANGER)


def test_an_expired_invitation_holds_none() -> None:
    team = given(Team, founded(seats=2), invited(BOB))
    assert team.seats_taken(EXPIRED) == 1
    invitations.invite(team, address_id=address_of(STRANGER), email=EMAIL, role="editor", by=ADA, now=EXPIRED)
    assert STRANGER.address_id in team.invited


def test_clocks_that_differ_make_no_more_members_than_seats() -> None:
    team = given(Team, founded(seats=2), invited(BOB))
    invitations.invite(team, address_id=address_of(STRANGER), email=EMAIL, role="editor", by=ADA, now=EXPIRED)
    invitations.accept(team, by=STRANGER, now=EXPIRED)
    with pytest.raises(TeamIsFull):
        invitations.accept(team, by=BOB, now=EXPIRED - timedelta(seconds=1))


def test_seats_follow_the_plan() -> None:
    team = given(Team, founded(seats=SEATS["free"]))
    for plan in ("free", "pro", "pro", "free"):
        follow_plan(team, plan, now=NOW)
    assert new_events(team) == [fact(Team.SeatsChanged, seats=25), fact(Team.SeatsChanged, seats=5)]
    ended = given(Team, founded(), fact(Team.Dissolved, slug="crew"))
    follow_plan(ended, "pro", now=NOW)
    assert new_events(ended) == []


OTHERS = [person(number) for number in range(20, 26)]
JOINED = [fact(Team.MemberJoined, user_id=who.user_id, role="editor") for who in OTHERS]
CROWD = [founded(seats=25), *JOINED, invited(BOB)]
FEWER = fact(Team.SeatsChanged, seats=5)


def test_with_fewer_seats_members_stay_and_none_comes() -> None:
    team = given(Team, *CROWD, FEWER)
    numbers = r"5 seats \(members: 7, open invitations: 1\)"
    with pytest.raises(TeamIsFull, match=numbers):
        invite(team, whom=STRANGER)
    with pytest.raises(TeamIsFull, match=numbers):
        invitations.resend(team, address_id=address_of(BOB), email=EMAIL, by=ADA, now=NOW + RESEND_INTERVAL)
    with pytest.raises(TeamIsFull, match=numbers):
        add_member(team, user_id=STRANGER.user_id, address_id=address_of(STRANGER), role="viewer", now=NOW)
    with pytest.raises(TeamIsFull, match=r"5 seats \(members: 7\)"):
        invitations.accept(team, by=BOB, now=NOW)
    assert new_events(team) == []
    invitations.decline(team, by=BOB, now=NOW)


def test_people_come_again_once_they_fit() -> None:
    team = given(Team, *CROWD, FEWER)
    for who in OTHERS[:3]:
        team.remove(user_id=who.user_id, by=ADA, now=NOW)
    invitations.accept(team, by=BOB, now=NOW)
    assert len(team.members) == team.seats
    more = given(Team, *CROWD, FEWER, fact(Team.SeatsChanged, seats=25))
    invite(more, whom=STRANGER)


# Members


def test_a_role_is_changed_once() -> None:
    team = given(Team, *CREW)
    team.change_role(user_id=MEMBER.user_id, role="admin", by=ADA, now=NOW)
    team.change_role(user_id=MEMBER.user_id, role="admin", by=ADA, now=NOW)
    assert new_events(team) == [became(MEMBER, "admin")]


def test_a_team_may_have_several_owners_and_one_may_step_back() -> None:
    team = given(Team, *CREW, became(MEMBER, "owner"))
    team.change_role(user_id=ADA.user_id, role="editor", by=ADA, now=NOW)
    assert new_events(team) == [became(ADA, "editor")]


def test_an_admin_neither_makes_nor_unmakes_owners() -> None:
    team = given(Team, *CREW)
    for user_id, role in ((MEMBER.user_id, "owner"), (ADMIN.user_id, "owner"), (ADA.user_id, "editor")):
        with pytest.raises(RoleTooLow):
            team.change_role(user_id=user_id, role=role, by=ADMIN, now=NOW)  # type: ignore[arg-type]
    with pytest.raises(RoleTooLow):
        team.remove(user_id=ADA.user_id, by=ADMIN, now=NOW)
    assert new_events(team) == []


def test_a_member_is_removed_once() -> None:
    team = given(Team, *CREW)
    team.remove(user_id=MEMBER.user_id, by=ADMIN, now=NOW)
    team.remove(user_id=MEMBER.user_id, by=ADMIN, now=NOW)
    assert new_events(team) == [fact(Team.MemberRemoved, user_id=MEMBER.user_id)]
    with pytest.raises(NotFound):
        team.require("leave", MEMBER, NOW)


def test_a_member_leaves_and_is_gone() -> None:
    team = given(Team, *CREW)
    team.leave(by=MEMBER, now=NOW)
    assert new_events(team) == [fact(Team.MemberLeft, user_id=MEMBER.user_id)]
    with pytest.raises(NotFound):
        team.leave(by=MEMBER, now=NOW)


def test_only_members_get_a_role_or_an_offer() -> None:
    team = given(Team, *CREW)
    with pytest.raises(NoSuchMember):
        team.change_role(user_id=BOB.user_id, role="admin", by=ADA, now=NOW)
    with pytest.raises(NoSuchMember):
        ownership.offer(team, user_id=BOB.user_id, by=ADA, now=NOW)


@pytest.mark.parametrize(
    "command",
    [
        lambda team: team.leave(by=ADA, now=NOW),
        lambda team: team.remove(user_id=ADA.user_id, by=ADA, now=NOW),
        lambda team: team.change_role(user_id=ADA.user_id, role="admin", by=ADA, now=NOW),
    ],
    ids=["leave", "remove", "change_role"],
)
def test_a_team_keeps_its_last_owner(command: Callable[[Team], None]) -> None:
    team = given(Team, *CREW)
    with pytest.raises(LastOwner):
        command(team)
    command(given(Team, *CREW, became(MEMBER, "owner")))


# Roles


COMMANDS: dict[str, tuple[Role, type[Team.Event] | None, Callable[[Team, Person], None]]] = {
    "rename": ("admin", Team.Renamed, lambda team, by: team.rename("Band", by=by, now=NOW)),
    "change slug": ("admin", Team.SlugChanged, lambda team, by: team.change_slug("band", by=by, now=NOW)),
    "invite": ("admin", Team.MemberInvited, lambda team, by: invite(team, by=by)),
    "revoke": (
        "admin",
        Team.InvitationRevoked,
        lambda team, by: invitations.revoke(team, address_id=address_of(INVITED), by=by, now=NOW),
    ),
    "change role": (
        "admin",
        Team.MemberRoleChanged,
        lambda team, by: team.change_role(user_id=MEMBER.user_id, role="admin", by=by, now=NOW),
    ),
    "remove": ("admin", Team.MemberRemoved, lambda team, by: team.remove(user_id=MEMBER.user_id, by=by, now=NOW)),
    "remove a stranger": ("admin", None, lambda team, by: team.remove(user_id=BOB.user_id, by=by, now=NOW)),
    "leave": ("guest", Team.MemberLeft, lambda team, by: team.leave(by=by, now=NOW)),
    "make an owner": (
        "owner",
        Team.MemberRoleChanged,
        lambda team, by: team.change_role(user_id=MEMBER.user_id, role="owner", by=by, now=NOW),
    ),
    "offer": (
        "owner",
        Team.OwnershipOffered,
        lambda team, by: ownership.offer(team, user_id=ADMIN.user_id, by=by, now=NOW),
    ),
    "dissolve": ("owner", Team.DissolutionRequested, lambda team, by: dissolution.request(team, by=by, now=NOW)),
    "keep": ("owner", None, lambda team, by: dissolution.withdraw(team, by=by, now=NOW)),
}
"""The least role that may do it, the event that it causes (None: it causes none), and the command."""
# Two owners, so that no command runs into the rule about the last one.
BIG_CREW = [
    founded(seats=8),
    *CREW[1:],
    *joined(SECOND, "owner"),
    *joined(VIEWER, "viewer"),
    *joined(GUEST, "guest"),
    invited(INVITED),
]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize(
    "who",
    [ADA, ADMIN, MEMBER, VIEWER, GUEST, INVITED, STRANGER],
    ids=["owner", "admin", "editor", "viewer", "guest", "invited", "stranger"],
)
def test_a_role_does_what_it_may_and_nothing_else(name: str, who: Person) -> None:
    least, event, command = COMMANDS[name]
    team = given(Team, *BIG_CREW)
    role = team.members.get(who.user_id)
    refusal: type[Refusal] | None = None
    if role is None:
        refusal = NotFound
    elif RANKING.index(role) > RANKING.index(least):
        refusal = RoleTooLow
    if refusal is None:
        command(team, who)
        assert [each.kind for each in new_events(team)] == ([] if event is None else [event])
        return
    with pytest.raises(refusal) as refused:
        command(team, who)
    assert type(refused.value) is refusal
    assert new_events(team) == []


def test_to_a_stranger_a_team_looks_as_if_it_were_not() -> None:
    for past in ([founded()], [founded(), DISSOLVED]):
        with pytest.raises(NotFound) as refused:
            given(Team, *past).require("leave", STRANGER, NOW)
        assert (refused.value.code, refused.value.detail) == ("not_found", "There is no such team.")


# The end


@pytest.mark.parametrize("name", COMMANDS)
def test_a_dissolved_team_does_nothing_more(name: str) -> None:
    team = given(Team, *BIG_CREW, DISSOLVED)
    with pytest.raises(TeamIsDissolved):
        COMMANDS[name][2](team, ADA)
    assert new_events(team) == []


def test_the_invitations_of_a_dissolved_team_are_void() -> None:
    team = given(Team, founded(), invited(BOB), DISSOLVED)
    for answer in (invitations.accept, invitations.decline):
        with pytest.raises(TeamIsDissolved):
            answer(team, by=BOB, now=NOW)


# Anything goes


PEOPLE = [person(number) for number in range(1, 9)]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ["invite", "invite", "invite", "accept", "accept", "accept", "decline", "revoke", "change_role", "remove",
             "leave", "offer", "accept_offer", "dissolve", "keep", "carry_out", "seats"]
        ),
        st.sampled_from(PEOPLE),
        st.sampled_from(PEOPLE),
        st.sampled_from(["owner", "admin", "editor"]),
        # Days, in any order: clocks of several machines.
        st.integers(0, 20),
    ),
    max_size=80,
)  # fmt: skip


@forall(st.integers(1, 4), STEPS)
def test_whatever_is_tried_seats_suffice_and_an_owner_stays(
    seats: int, steps: list[tuple[str, Actor, Actor, Role, int]]
) -> None:
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW, seats=seats)
    for name, who, whom, role, days in steps:
        before = len(team.members)
        if name == "seats":
            team.trigger_event(Team.SeatsChanged, now=NOW, seats=1 + days % 5)
        try:
            obey(team, name, who, whom, role, days)
        except Refusal:
            continue
        assert len(team.members) <= max(team.seats, before)
        assert "owner" in team.members.values()
        assert team.invited.keys() == team.invited_until.keys()
        assert team.offered_by is None or team.members[team.offered_by] == "owner"
        assert team.offered_to is None or team.offered_to in team.members
    assert state(replayed(team)) == state(team)


def obey(team: Team, name: str, who: Actor, whom: Actor, role: Role, days: int) -> None:
    now, before = NOW + timedelta(days=days), team.version
    match name:
        case "invite":
            invited_role: InvitedRole = "editor" if role == "owner" else role
            invitations.invite(team, address_id=address_of(whom), email=EMAIL, role=invited_role, by=who, now=now)
            assert team.version == before or team.seats_taken(now) <= team.seats
        case "accept":
            invitations.accept(team, by=who, now=now)
        case "decline":
            invitations.decline(team, by=who, now=now)
        case "revoke":
            invitations.revoke(team, address_id=address_of(whom), by=who, now=now)
        case "change_role":
            team.change_role(user_id=whom.user_id, role=role, by=who, now=now)
        case "remove":
            team.remove(user_id=whom.user_id, by=who, now=now)
        case "leave":
            team.leave(by=who, now=now)
        case "offer":
            ownership.offer(team, user_id=whom.user_id, by=who, now=now)
        case "accept_offer":
            ownership.accept(team, by=who, now=now)
        case "dissolve":
            dissolution.request(team, by=who, now=now)
        case "keep":
            dissolution.withdraw(team, by=who, now=now)
        case "carry_out":
            dissolution.carry_out(team, now=now)


# History


def test_a_stored_role_of_a_member_is_read_as_that_of_an_editor() -> None:
    """What was stored before there were viewers and guests, byte for byte."""
    fields = {"user_id": MEMBER.user_id, "role": "member"}
    stored = by_hand("team.member_role_changed", ID, 7, fields, class_version=1)
    event = decoded("team.member_role_changed", stored, ID, 7, {})
    assert isinstance(event, Team.MemberRoleChanged)
    assert (event.user_id, event.role) == (MEMBER.user_id, "editor")


@pytest.mark.parametrize("event", [Team.MemberInvited, Team.InvitationAccepted, Team.MemberRoleChanged])
def test_whom_history_calls_a_member_is_an_editor(event: Any) -> None:
    """Before there were viewers and guests, a member was who could write."""
    found = [{"role": "member"}, {"role": "admin"}]
    for stored in found:
        event.upcast_v1_v2(stored)
    assert event.class_version == 2
    assert found == [{"role": "editor"}, {"role": "admin"}]
