"""Job: the mail about a document that is offered."""

from typing import ClassVar
from uuid import UUID

from application.jobs import performs
from application.mail_jobs import MailJob, send_mail
from application.ports import Clock, EventStore, Mail, Mailer
from domain.content.document import Document


class DocumentOfferMail(MailJob, frozen=True, kw_only=True):
    """Tell the holder of an address that a document is offered to them. `version`: that of the event."""

    kind: ClassVar[str] = "document_offer_mail"

    document_id: UUID
    version: int

    @property
    def effect_key(self) -> str:
        """The left part of the Message-ID."""
        return f"offer.{self.document_id.hex}.{self.version}"


@performs
async def send_document_offer(job: DocumentOfferMail, events: EventStore, mailer: Mailer, clock: Clock) -> None:
    document = await events.load(Document, job.document_id)
    [event] = await events.events([(job.document_id, job.version)])
    if document is None or not isinstance(event, Document.OwnershipOffered):
        return
    # Meanwhile it may have been answered, withdrawn or renewed.
    if document.is_offered_to(event.address_id, clock()) and document.offered_until == event.expires_at:
        values = {"token": str(document.id)}
        await send_mail(mailer, Mail(event.email, "document_offer", values, job.effect_key))
