"""Policy: the admins of a team get a mail about join requests, at most one an hour."""

from application.policy import Step, policy
from application.request_notices import TellTeam, ToldRequests, next_mail
from domain.teams.join_request import JoinRequest


@policy(key=lambda event: event.team_id)
def tell_of_join_requests(event: JoinRequest.Shown, state: ToldRequests) -> Step[ToldRequests]:
    due = next_mail(state.due, event.timestamp)
    if due is None:
        return Step(state)
    return Step(ToldRequests(due), [TellTeam(template="join_asked", team_id=event.team_id, due=due)])
