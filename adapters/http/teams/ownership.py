"""HTTP for the transfer of a team's ownership: parse, send, answer."""

from uuid import UUID

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONAL, FRESH, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router
from adapters.http.api.schemas import Body
from application.teams.ownership import AcceptOwnership, DeclineOwnership, OfferOwnership, WithdrawOwnershipOffer
from application.teams.team import TeamView
from domain.access import TEAM
from projections.teams.team_ownership_offer import OwnershipOffer, ownership_offer

router = Router("/v1/teams/{team_id}/ownership-offer", tag="teams")


class NewOwner(Body):
    """The member who may become an owner."""

    user_id: UUID


@router.get(
    "",
    response_model=OwnershipOffer,
    **operation("The offer.", access=TEAM.action("list_members"), takes=FRESH),
)
async def get_ownership_offer(team_id: UUID, read: Read) -> Answer:
    """Get the open offer of the ownership. Without one: 404. Requires the viewer role."""
    return read.unversioned(read.found(await read.query(ownership_offer, read.actor, team_id)))


@router.post(
    "",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("transfer"), takes=CONDITIONAL),
)
async def offer_ownership(team_id: UUID, body: NewOwner, send: Send) -> Answer:
    """Offer the caller's ownership to a member. Replaces an earlier offer. Requires the owner role.

    The offer ends when one of the two leaves, is removed or gets another role.
    """
    return await send(OfferOwnership(id=team_id, user_id=body.user_id))


@router.post(
    "/accept",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("answer_transfer"), takes=CONDITIONAL),
)
async def accept_ownership(team_id: UUID, send: Send) -> Answer:
    """Become an owner, as offered to the caller. The owner who offered it becomes an admin."""
    return await send(AcceptOwnership(id=team_id))


@router.post(
    "/decline",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("answer_transfer"), takes=CONDITIONAL),
)
async def decline_ownership(team_id: UUID, send: Send) -> Answer:
    """Decline the ownership that is offered to the caller."""
    return await send(DeclineOwnership(id=team_id))


@router.delete(
    "",
    response_model=TeamView,
    **operation("The team.", access=TEAM.action("transfer"), takes=CONDITIONAL),
)
async def withdraw_ownership_offer(team_id: UUID, send: Send) -> Answer:
    """Withdraw the offer of the ownership. Requires the owner role."""
    return await send(WithdrawOwnershipOffer(id=team_id))
