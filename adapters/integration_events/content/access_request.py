"""Integration events of access requests: none."""

from adapters.integration_events.kernel import keep_private
from domain.content.access_request import AccessRequest

for event_class in (
    AccessRequest.Asked,
    AccessRequest.AskedAgain,
    AccessRequest.Withdrawn,
    AccessRequest.Accepted,
    AccessRequest.Declined,
):
    keep_private(event_class, "who asks for a document concerns that user and who answers; a share is published")
