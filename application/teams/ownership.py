"""Use cases of the transfer of a team's ownership: offer, accept, decline, withdraw."""

from uuid import UUID

from application.commands import Command, handles
from application.ports import Actor, Clock, Store
from application.teams.team import TeamView, team_view
from domain.teams import ownership
from domain.teams.team import Team


class OfferOwnership(Command[TeamView]):
    """Offer the ownership to a member."""

    id: UUID
    user_id: UUID


class AcceptOwnership(Command[TeamView]):
    """Make the actor an owner, and the owner who offered it an admin."""

    id: UUID


class DeclineOwnership(Command[TeamView]):
    """Decline the offer of the ownership."""

    id: UUID


class WithdrawOwnershipOffer(Command[TeamView]):
    """Withdraw the offer of the ownership."""

    id: UUID


@handles
async def offer_ownership(cmd: OfferOwnership, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    ownership.offer(team, user_id=cmd.user_id, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def accept_ownership(cmd: AcceptOwnership, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    ownership.accept(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def decline_ownership(cmd: DeclineOwnership, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    ownership.decline(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)


@handles
async def withdraw_ownership_offer(cmd: WithdrawOwnershipOffer, store: Store, actor: Actor, clock: Clock) -> TeamView:
    now = clock()
    team = await store.get(Team, cmd.id)
    ownership.withdraw(team, by=actor, now=now)
    store.save(team)
    return team_view(team, now)
