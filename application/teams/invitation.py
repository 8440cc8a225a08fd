"""Use cases of invitations: invite one or many, send again, accept, decline, revoke, expire."""

from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, EmailIndex, Store
from application.teams.team import TeamView, team_view
from domain.access import require_verified
from domain.identity.claims import email_claim
from domain.teams import invitations
from domain.teams.refusals import AlreadyAMember, InvitedRecently, TeamIsFull
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from domain.text import UnusableEmail, email_address

MAX_INVITED = 50
"""The maximum number of addresses of one command: its answer is kept for repeats."""


@dataclass(frozen=True, slots=True)
class Invitee:
    """An email address to invite, and the role that its holder gets."""

    email: str
    role: InvitedRole


InvitationOutcome = Literal["invited", "already_a_member", "invited_recently", "team_is_full", "unusable_email"]


@dataclass(frozen=True, slots=True)
class InvitationOutcomes:
    """What came of each address, in their order: it is invited, or the code of the refusal."""

    outcomes: list[InvitationOutcome]


class InviteMember(Command[TeamView]):
    """Hold a seat for the holder of an email address."""

    id: UUID
    email: str
    role: InvitedRole = "editor"


class InviteMembers(Command[InvitationOutcomes]):
    """Hold seats for the holders of several addresses, as far as they can be invited."""

    id: UUID
    invitees: list[Invitee]


class ResendInvitation(Command[TeamView]):
    """Send an invitation again, and prolong it."""

    id: UUID
    email: str


class AcceptInvitation(Command[TeamView]):
    """Make the actor a member, as invited."""

    id: UUID


class DeclineInvitation(Command[None]):
    """Decline an invitation."""

    id: UUID


class RevokeInvitation(Command[TeamView]):
    """Revoke an invitation."""

    id: UUID
    email: str


class ExpireInvitations(Command[None]):
    """End the invitations of a team whose time is over."""

    id: UUID


@handles
async def invite_member(cmd: InviteMember, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock) -> TeamView:
    now = clock()
    address_id, user_id = await _found(cmd.email, store, addresses)
    team = await store.get(Team, cmd.id)
    invitations.invite(team, address_id=address_id, user_id=user_id, email=cmd.email, role=cmd.role, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def invite_members(
    cmd: InviteMembers, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> InvitationOutcomes:
    team = await store.get(Team, cmd.id)
    team.require("invite", actor, clock())
    require_verified(actor)
    outcomes: list[InvitationOutcome] = []
    for each in cmd.invitees:
        try:
            address_id, user_id = await _found(each.email, store, addresses)
            invitations.invite(
                team, address_id=address_id, user_id=user_id, email=each.email, role=each.role, by=actor, now=clock()
            )
            outcomes.append("invited")
        except (AlreadyAMember, InvitedRecently, TeamIsFull, UnusableEmail) as refusal:
            outcomes.append(cast(InvitationOutcome, refusal.code))
    store.save(team)
    return InvitationOutcomes(outcomes)


@handles
async def resend_invitation(
    cmd: ResendInvitation, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> TeamView:
    now = clock()
    email = email_address(cmd.email)
    team = await store.get(Team, cmd.id)
    invitations.resend(team, address_id=addresses.address_id(email), email=email, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def accept_invitation(cmd: AcceptInvitation, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    invitations.accept(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def decline_invitation(cmd: DeclineInvitation, store: Store, actor: Actor, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    invitations.decline(team, by=actor, now=clock())
    store.save(team)


@handles
async def revoke_invitation(
    cmd: RevokeInvitation, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> TeamView:
    now = clock()
    address_id = addresses.address_id(email_address(cmd.email))
    team = await store.get(Team, cmd.id)
    invitations.revoke(team, address_id=address_id, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def expire_invitations(cmd: ExpireInvitations, store: Store, clock: Clock) -> None:
    team = await store.get(Team, cmd.id)
    invitations.expire(team, now=clock())
    store.save(team)


async def _found(text: str, store: Store, addresses: EmailIndex) -> tuple[UUID, UUID | None]:
    """Return the id of an address, and the user whose address it is now.

    Raises:
        UnusableEmail: the text is not an address.
    """
    email = email_address(text)
    return addresses.address_id(email), await store.claimed_by(email_claim(email))
