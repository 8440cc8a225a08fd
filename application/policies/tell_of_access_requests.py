"""Policy: who may answer access requests of a document gets a mail, at most one an hour."""

from application.policy import Step, policy
from application.request_notices import TellOfAccessRequests, ToldRequests, next_mail
from domain.content.access_request import AccessRequest


@policy(key=lambda event: event.document_id)
def tell_of_access_requests(
    event: AccessRequest.Asked | AccessRequest.AskedAgain, state: ToldRequests
) -> Step[ToldRequests]:
    due = next_mail(state.due, event.timestamp)
    if due is None:
        return Step(state)
    return Step(ToldRequests(due), [TellOfAccessRequests(document_id=event.document_id, due=due)])
