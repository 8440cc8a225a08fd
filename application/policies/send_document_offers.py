"""Policy: the holder of the address that a document is offered to gets a mail."""

from collections.abc import Iterable

from application.content.ownership_jobs import DocumentOfferMail
from application.policy import Reaction, policy
from domain.content.document import Document


@policy()
def send_document_offers(event: Document.OwnershipOffered) -> Iterable[Reaction]:
    yield DocumentOfferMail(document_id=event.originator_id, version=event.originator_version)
