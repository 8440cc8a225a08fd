"""Requests to join teams: asked, shown, answered, withdrawn."""

from uuid import UUID

from application.ports import Actor
from domain.identity.user import User
from domain.kernel import Root
from domain.teams.join_request import JoinRequest
from domain.teams.settings import change_settings
from domain.teams.team import Team
from tests.support.history.kernel import History, begins, changes


@begins(JoinRequest, chance=0.03, needs=[User, Team])
def ask(history: History) -> list[Root]:
    by, team = asker(history.any(User).id), history.any(Team)
    if any(request.id == JoinRequest.id_of(team.id, by.user_id) for request in history.of(JoinRequest)):
        return []
    request = JoinRequest.ask(team_id=team.id, asked_for=team.slug, message=history.text(), by=by, now=history.now)
    return [history.add(request)]


@changes(JoinRequest, weight=2)
def change(history: History) -> list[Root]:
    request = history.any(JoinRequest)
    team = next(each for each in history.of(Team) if each.id == request.team_id)
    owner = asker(next((user_id for user_id, role in team.members.items() if role == "owner"), request.user_id))
    match history.random.randrange(6):
        case 0:
            request.withdraw(now=history.now)
        case 1:
            request.decline(team, by=owner, now=history.now)
        case 2:
            request.accept(team, address_id=request.user_id, role="viewer", by=owner, now=history.now)
        case 3:
            by = asker(request.user_id)
            request.ask_again(asked_for=team.slug, message=history.line(), by=by, now=history.now)
        case _:
            change_settings(team, join="by_request", by=owner, now=history.now)
            request.show(team, address_id=request.user_id, domain="example.org", now=history.now)
    return [team, request]


def asker(user_id: UUID) -> Actor:
    """A user with a verified address."""
    return Actor(user_id, user_id)
