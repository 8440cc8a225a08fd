"""Use cases of seats: they follow the plan of the team."""

from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Clock, Store
from domain.billing.subscription import Subscription
from domain.teams.seats import follow_plan
from domain.teams.team import Team


class FollowPlan(Command[None]):
    """Give a team the seats of the plan that its subscription has now. Nothing happens for that of a user."""

    subscription_id: UUID


@handles
async def seats_follow_plan(cmd: FollowPlan, store: Store, clock: Clock) -> None:
    subscription = await store.get(Subscription, cmd.subscription_id)
    team = await find(store, Team, subscription.payer_id) if subscription.payer_kind == "team" else None
    if team is not None:
        follow_plan(team, subscription.plan, now=clock())
        store.save(team)
