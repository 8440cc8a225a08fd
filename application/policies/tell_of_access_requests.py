"""Policy: who may answer access requests of a document gets a mail, at most one an hour.

The first request causes a mail at once. Further ones within the hour share a mail at its end.
"""

from datetime import datetime, timedelta

import msgspec

from application.policy import Step, policy
from application.request_notices import TellOfAccessRequests
from domain.content.access_request import AccessRequest

INTERVAL = timedelta(hours=1)


class ToldRequests(msgspec.Struct):
    """When the last mail about a document is due, which may be in the future."""

    due: datetime | None = None


@policy(key=lambda event: event.document_id)
def tell_of_access_requests(
    event: AccessRequest.Asked | AccessRequest.AskedAgain, state: ToldRequests
) -> Step[ToldRequests]:
    asked = event.timestamp
    if state.due is not None and asked <= state.due:
        return Step(state)
    due = asked if state.due is None else max(asked, state.due + INTERVAL)
    return Step(ToldRequests(due), [TellOfAccessRequests(document_id=event.document_id, due=due)])
