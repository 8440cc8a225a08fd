"""The life of a join request."""

from domain.requests import ASK_AGAIN_AFTER
from domain.teams.join_request import JoinRequest
from domain.teams.settings import change_settings
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of
from tests.support.lives.kernel import ADA, BOB, LATER, life


@life
def join_request() -> JoinRequest:
    """Asked, shown, withdrawn, asked again, declined, asked again and accepted."""
    team = Team.found(id=ID, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    change_settings(team, join="by_request", by=ADA, now=NOW)
    request = JoinRequest.ask(team_id=ID, asked_for="crew", message="Please.", by=BOB, now=NOW)
    request.show(team, address_id=address_of(BOB), domain="example.org", now=NOW)
    request.withdraw(now=NOW)
    request.ask_again(asked_for="crew", message="Please!", by=BOB, now=LATER)
    request.show(team, address_id=address_of(BOB), domain="example.org", now=LATER)
    request.decline(team, by=ADA, now=LATER)
    again = LATER + ASK_AGAIN_AFTER
    request.ask_again(asked_for="crew", message="Please, please.", by=BOB, now=again)
    request.show(team, address_id=address_of(BOB), domain="example.org", now=again)
    request.accept(team, address_id=address_of(BOB), role="editor", by=ADA, now=again)
    return request
