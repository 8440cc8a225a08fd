"""Policy: a join request is shown to the team, if the team allows it."""

from collections.abc import Iterable

from application.policy import Reaction, policy
from application.teams.join_request import ShowJoinRequest
from domain.teams.join_request import JoinRequest


@policy()
def show_join_requests(event: JoinRequest.Asked | JoinRequest.AskedAgain) -> Iterable[Reaction]:
    yield ShowJoinRequest(id=event.originator_id)
