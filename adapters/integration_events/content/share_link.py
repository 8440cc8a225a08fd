"""Share links and their guests stay private."""

from adapters.integration_events.kernel import keep_private
from domain.content.link_guest import LinkGuest
from domain.content.share_link import ShareLinks

for event in (ShareLinks.Started, ShareLinks.Created, ShareLinks.Revoked, ShareLinks.Erased):
    keep_private(event, "its stream is that of the links of a document, which has no public state of its own")
for visit in (LinkGuest.Joined, LinkGuest.JoinedAgain, LinkGuest.Left):
    keep_private(visit, "it says who opened a link, which is for the owner alone")
