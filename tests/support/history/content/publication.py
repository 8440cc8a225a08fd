"""Publications of documents."""

from application.ports import Actor
from domain.content.document import Document
from domain.content.publication import Publication
from domain.kernel import Root
from tests.support.history.kernel import History, begins, changes


@begins(Publication, chance=0.03, needs=[Document])
def start(history: History) -> list[Root]:
    document = history.any(Document)
    taken = {publication.document_id for publication in history.of(Publication)}
    return [] if document.id in taken else [history.add(Publication.start(document, now=history.now))]


@changes(Publication, weight=1)
def change(history: History) -> list[Root]:
    publication = history.any(Publication)
    document = next(each for each in history.of(Document) if each.id == publication.document_id)
    owner = Actor(document.owner_id, document.owner_id)
    if publication.public and history.random.random() < 0.5:
        publication.withdraw(document, by=owner, now=history.now)
    else:
        publication.publish(document, indexed=history.random.random() < 0.5, by=owner, now=history.now)
    return [publication]
