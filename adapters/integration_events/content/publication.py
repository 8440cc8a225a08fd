"""Publications stay private: what is public is read, not announced."""

from adapters.integration_events.kernel import keep_private
from domain.content.publication import Publication

for event in (Publication.Started, Publication.Published, Publication.Withdrawn):
    keep_private(event, "the id of the stream is the public address of a document that may be unlisted")
