"""Offers of the ownership of teams. Only this file writes and reads the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from application.ports import Actor, ReadStore, RecordedEvent
from domain.teams.team import Team
from projections.columns import columns_of
from projections.kernel import Change, PersonalData, ReadModel, Table, moment_of, reads
from projections.visibility import team_role


@dataclass(frozen=True, slots=True)
class OwnershipOffer:
    """An owner's offer to a member: to become an owner in their place."""

    owner_id: UUID
    user_id: UUID
    offered_at: datetime


OFFER = f"SELECT {columns_of(OwnershipOffer)} FROM read.team_ownership_offer WHERE team_id = %(id)s"  # noqa: S608


class OwnershipOffers(ReadModel):
    """The open offer of each team."""

    version = 1
    roots = (Team,)
    personal = PersonalData("ids of members", "an offer ends with the membership of either; see team_roster")
    table = Table(
        "team_ownership_offer",
        key={"team_id": "uuid"},
        columns={"owner_id": "uuid NOT NULL", "user_id": "uuid NOT NULL", "offered_at": "timestamptz NOT NULL"},
    )

    def changes(self, event: RecordedEvent) -> Iterator[Change]:
        match event.data:
            case Team.OwnershipOffered(owner_id=owner_id, user_id=user_id):
                yield self.table.put(event.stream_id, owner_id=owner_id, user_id=user_id, offered_at=moment_of(event))
            case (
                Team.OwnershipOfferDeclined()
                | Team.OwnershipOfferWithdrawn()
                | Team.OwnershipTransferred()
                | Team.Erased()
            ):
                yield self.table.drop(event.stream_id)


@reads(OwnershipOffers, "team", "team_roster")
async def ownership_offer(rows: ReadStore, actor: Actor, team_id: UUID) -> OwnershipOffer | None:
    """Return the team's open offer; None: there is none, or the team does not exist for the actor.

    Raises:
        RoleTooLow: the actor is a guest.
    """
    if await team_role(rows, actor, team_id, "list_members") is None:
        return None
    return await rows.one(OwnershipOffer, OFFER, {"id": team_id})
