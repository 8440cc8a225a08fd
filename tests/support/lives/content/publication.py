"""The life of a publication."""

from domain.content.document import Document
from domain.content.publication import Publication
from tests.support.given import ID, NOW
from tests.support.lives.kernel import ADA, LATER, life


@life
def publication() -> Publication:
    """Published, shown to search engines, withdrawn."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="", now=NOW)
    publication = Publication.start(document, now=NOW)
    for indexed in (False, True):
        publication.publish(document, indexed=indexed, by=ADA, now=LATER)
    publication.withdraw(document, by=ADA, now=LATER)
    return publication
