"""Teams: founded, joined, managed and dissolved."""

from uuid import UUID

from application.ports import Actor
from domain.identity.user import User
from domain.kernel import Root
from domain.teams import dissolution, invitations, ownership
from domain.teams.budget_limits import limit_budget
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.roles import InvitedRole
from domain.teams.seats import follow_plan
from domain.teams.team import Team
from tests.support.history.kernel import History, begins, changes

INVITED: list[InvitedRole] = ["admin", "editor", "viewer", "guest"]


@begins(Team, chance=0.04, needs=[User])
def found(history: History) -> list[Root]:
    owner, slug = history.any(User), f"team-{len(history.of(Team))}"
    team = Team.found(id=history.id(), name=history.line(), slug=slug, owner_id=owner.id, now=history.now)
    return [history.add(team)]


@changes(Team, weight=4)
def change(history: History) -> list[Root]:
    team, choice = history.any(Team), history.random.randrange(12)
    owner_id = next(user_id for user_id, role in team.members.items() if role == "owner")
    owner = Actor(owner_id, owner_id)
    others = [user_id for user_id in team.members if user_id != owner.user_id]
    if choice == 0:
        follow_plan(team, "pro", now=history.now)
        team.rename(history.line(), by=owner, now=history.now)
        team.change_slug(
            f"{team.slug.partition('-moved')[0]}-moved{history.random.randrange(100)}", by=owner, now=history.now
        )
        limit_budget(team, user_id=next(iter(others), None), tokens=1_000, micros=None, by=owner, now=history.now)
    elif choice == 1 and history.random.random() < 0.3:
        dissolution.request(team, by=owner, now=history.now)
        if history.random.random() < 0.5:
            dissolution.withdraw(team, by=owner, now=history.now)
        dissolution.carry_out(team, now=history.now + DISSOLUTION_GRACE)
    elif choice < 6 and team.invited:
        _answer(history, team, owner)
    elif choice < 10 and others:
        _manage(history, team, owner, history.random.choice(others))
    else:
        address_id, email = history.address()
        role = history.random.choice(INVITED)
        invitations.invite(team, address_id=address_id, email=email, role=role, by=owner, now=history.now)
    return [team]


def _answer(history: History, team: Team, owner: Actor) -> None:
    address_id = min(team.invited)
    invited = Actor(history.any(User).id, address_id)
    match history.random.randrange(5):
        case 0:
            invitations.revoke(team, address_id=address_id, by=owner, now=history.now)
        case 1:
            invitations.decline(team, by=invited, now=history.now)
        case _:
            invitations.accept(team, by=invited, now=history.now)


def _manage(history: History, team: Team, owner: Actor, other: UUID) -> None:
    match history.random.randrange(4):
        case 0:
            team.remove(user_id=other, by=owner, now=history.now)
        case 1:
            team.leave(by=Actor(other), now=history.now)
        case 2:
            ownership.offer(team, user_id=other, by=owner, now=history.now)
            if history.random.random() < 0.4:
                ownership.accept(team, by=Actor(other), now=history.now)
        case _:
            team.change_role(user_id=other, role=history.random.choice(INVITED), by=owner, now=history.now)
