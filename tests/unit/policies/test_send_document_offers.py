"""The policy of documents that are offered."""

from uuid import UUID

from application.content.ownership_jobs import DocumentOfferMail
from application.policies.send_document_offers import send_document_offers
from domain.content.document import Document
from tests.support.given import ID, NOW


def test_each_offer_is_sent_and_a_repeat_is_recognised() -> None:
    values = {"address_id": UUID(int=9), "email": "bob@example.org", "offered_by": ID, "expires_at": NOW}
    event = Document.OwnershipOffered(originator_id=ID, originator_version=7, timestamp=NOW, **values)
    [mail] = send_document_offers(event)
    assert mail == DocumentOfferMail(document_id=ID, version=7)
    assert isinstance(mail, DocumentOfferMail)
    assert mail.effect_key == f"offer.{ID.hex}.7"
