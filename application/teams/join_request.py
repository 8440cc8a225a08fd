"""Use cases of join requests: ask, withdraw, show, accept, decline.

To ask loads no team: neither the answer nor its time shows whether there is one, and whom it allows to ask. A policy
has the request shown to the team.
"""

from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, EmailIndex, SlugIndex, Store
from domain.identity.user import User
from domain.teams.join_request import JoinRequest
from domain.teams.naming import slug_claim, usable_slug
from domain.teams.refusals import NoSuchJoinRequest
from domain.teams.roles import InvitedRole
from domain.teams.team import Team


class AskToJoin(Command[None]):
    """Ask to become a member of a team. `team`: its slug or its id."""

    team: str
    message: str | None = None


class WithdrawJoinRequest(Command[None]):
    """Withdraw a request of the actor's. Without it, nothing happens."""

    id: UUID


class ShowJoinRequest(Command[None]):
    """Show a request to the team, or make its user a member, if the settings of the team allow that."""

    id: UUID


class AcceptJoinRequest(Command[None]):
    """Make a user who asks for it a member."""

    id: UUID
    user_id: UUID
    role: InvitedRole


class DeclineJoinRequest(Command[None]):
    """Decline the request of a user."""

    id: UUID
    user_id: UUID


@handles
async def ask_to_join(cmd: AskToJoin, store: Store, actor: Actor, slugs: SlugIndex, clock: Clock) -> None:
    team_id = await _team_id(cmd.team, store, slugs)
    request = await find(store, JoinRequest, JoinRequest.id_of(team_id, actor.user_id))
    if request is None:
        request = JoinRequest.ask(team_id=team_id, asked_for=cmd.team, message=cmd.message, by=actor, now=clock())
    else:
        request.ask_again(asked_for=cmd.team, message=cmd.message, by=actor, now=clock())
    store.save(request)


@handles
async def withdraw_join_request(cmd: WithdrawJoinRequest, store: Store, actor: Actor, clock: Clock) -> None:
    request = await find(store, JoinRequest, cmd.id)
    if request is not None and request.user_id == actor.user_id:
        request.withdraw(now=clock())
        store.save(request)


@handles
async def show_join_request(cmd: ShowJoinRequest, store: Store, addresses: EmailIndex, clock: Clock) -> None:
    request = await store.get(JoinRequest, cmd.id)
    team = await find(store, Team, request.team_id)
    user = await store.get(User, request.user_id)
    if team is not None and user.active and user.email_verified:
        address_id, domain = addresses.address_id(user.email), user.email.rpartition("@")[2]
        request.show(team, address_id=address_id, domain=domain, now=clock())
        store.save(team, request)


@handles
async def accept_join_request(
    cmd: AcceptJoinRequest, store: Store, actor: Actor, addresses: EmailIndex, clock: Clock
) -> None:
    team, request = await _asked(store, cmd.id, cmd.user_id, actor, clock)
    user = await store.get(User, cmd.user_id)
    if not user.active or not user.email_verified:
        raise _not_asked()
    request.accept(team, address_id=addresses.address_id(user.email), role=cmd.role, by=actor, now=clock())
    store.save(team, request)


@handles
async def decline_join_request(cmd: DeclineJoinRequest, store: Store, actor: Actor, clock: Clock) -> None:
    team, request = await _asked(store, cmd.id, cmd.user_id, actor, clock)
    request.decline(team, by=actor, now=clock())
    store.save(request)


async def _team_id(text: str, store: Store, slugs: SlugIndex) -> UUID:
    """Return the id of the team with this id or slug; of none, an id that stands for it. Raises `UnusableSlug`."""
    try:
        named = UUID(text)
    except ValueError:
        named = None
    if named is not None and str(named) == text:
        return named
    slug = usable_slug(text)
    return await store.claimed_by(slug_claim(slug)) or slugs.slug_id(slug)


async def _asked(store: Store, id: UUID, user_id: UUID, actor: Actor, clock: Clock) -> tuple[Team, JoinRequest]:
    """Return a team that the actor manages, and a user's request to it.

    Raises:
        NotFound, RoleTooLow, TeamIsDissolved, DissolutionIsDue: the actor may not answer.
        NoSuchJoinRequest: the user has never asked.
    """
    team = await store.get(Team, id)
    team.require("invite", actor, clock())
    request = await find(store, JoinRequest, JoinRequest.id_of(id, user_id))
    if request is None:
        raise _not_asked()
    return team, request


def _not_asked() -> NoSuchJoinRequest:
    return NoSuchJoinRequest("That user does not ask to join, or not any more.")
