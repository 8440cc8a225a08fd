"""The policy of mails about join requests: at most one an hour for each team."""

from datetime import timedelta
from uuid import UUID

from application.policies.tell_of_join_requests import tell_of_join_requests
from application.policy import Reaction
from application.request_notices import MAIL_INTERVAL, TellTeam, ToldRequests
from domain.teams.join_request import JoinRequest
from tests.support.given import ID, NOW

TEAM = UUID(int=7)


def test_a_request_that_the_team_sees_is_told_at_most_once_an_hour() -> None:
    state = ToldRequests()
    due: list[Reaction] = []
    for minutes in (0, 1, 2):
        moment = NOW + timedelta(minutes=minutes)
        event = JoinRequest.Shown(originator_id=ID, originator_version=2, timestamp=moment, **{"team_id": TEAM})
        step = tell_of_join_requests(event, state)
        assert step.state is not None
        state, due = step.state, [*due, *step.reactions]
    assert due == [
        TellTeam(template="join_asked", team_id=TEAM, due=NOW + wait) for wait in (timedelta(0), MAIL_INTERVAL)
    ]
