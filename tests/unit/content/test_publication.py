"""Publications: who makes a document public, and what ends that."""

import pytest

from application.content.document import CreateDocument
from application.content.publication import PublicationView, PublishDocument, WithdrawDocument
from domain.access import AddressNotVerified, RoleTooLow
from domain.content import sharing
from domain.content.document import Document
from domain.content.publication import Publication
from domain.content.refusals import DocumentIsTrashed
from domain.kernel import NotFound
from tests.support.given import ID, NOW, address_of, fact, new_events, person
from tests.support.use_cases import CommandRunner

ADA, BOB, EVE = map(person, range(1, 4))


def written() -> tuple[Document, Publication]:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Notes", content="", now=NOW)
    sharing.share(document, address_id=address_of(BOB), email="bob@example.org", role="editor", by=ADA, now=NOW)
    return document, Publication.start(document, now=NOW)


def test_a_document_is_public_until_it_is_withdrawn() -> None:
    document, publication = written()
    for _ in range(2):
        publication.publish(document, indexed=False, by=ADA, now=NOW)
    publication.publish(document, indexed=True, by=ADA, now=NOW)
    for _ in range(2):
        publication.withdraw(document, by=ADA, now=NOW)
    assert new_events(publication) == [
        fact(Publication.Started, document_id=ID),
        fact(Publication.Published, document_id=ID, indexed=False),
        fact(Publication.Published, document_id=ID, indexed=True),
        fact(Publication.Withdrawn),
    ]


def test_only_a_verified_owner_publishes() -> None:
    document, publication = written()
    for who, refusal in ((BOB, RoleTooLow), (EVE, NotFound), (person(1, address=0), AddressNotVerified)):
        with pytest.raises(refusal):
            publication.publish(document, indexed=True, by=who, now=NOW)
    publication.publish(document, indexed=True, by=ADA, now=NOW)
    for who, refusal in ((BOB, RoleTooLow), (EVE, NotFound)):
        with pytest.raises(refusal):
            publication.withdraw(document, by=who, now=NOW)


def test_what_is_in_the_trash_is_withdrawn_but_not_published() -> None:
    document, publication = written()
    publication.publish(document, indexed=True, by=ADA, now=NOW)
    document.trash(by=ADA, now=NOW)
    with pytest.raises(DocumentIsTrashed):
        publication.publish(document, indexed=False, by=ADA, now=NOW)
    publication.withdraw(document, by=ADA, now=NOW)
    assert not publication.public


async def test_a_document_that_is_published_again_has_the_same_public_id() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    id = (await runner.ask(CreateDocument(title="Notes"), ada)).id
    await runner.ask(WithdrawDocument(id=id), ada)
    first = await runner.ask(PublishDocument(id=id, indexed=True), ada)
    assert first == PublicationView(Publication.id_of(id), id, indexed=True)
    await runner.ask(WithdrawDocument(id=id), ada)
    assert (await runner.ask(PublishDocument(id=id), ada)).id == first.id != id
