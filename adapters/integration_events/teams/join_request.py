"""Integration events of join requests: none. A new member is published with the team."""

from adapters.integration_events.kernel import keep_private
from domain.teams.join_request import JoinRequest

for event_class in (
    JoinRequest.Asked,
    JoinRequest.AskedAgain,
    JoinRequest.Shown,
    JoinRequest.Withdrawn,
    JoinRequest.Accepted,
    JoinRequest.Declined,
):
    keep_private(event_class, "who asks to join concerns that user and the admins; a new member is published")
