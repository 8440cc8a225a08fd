"""The life of a document."""

from domain.content.document import Document
from domain.content.erasure import erase_document
from tests.support.given import ID, NOW, address_of
from tests.support.lives.kernel import ADA, BOB, EVE, LATER, life


@life
def document() -> Document:
    """Written, shared, changed, published, trashed, brought back, restored, archived and erased."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        document.share(address_id=address_of(somebody), email=email, role="viewer", by=ADA, now=LATER)
    document.bind_share(by=BOB, now=LATER)
    document.change_share(address_id=address_of(BOB), role="editor", by=ADA, now=LATER)
    document.revoke_share(address_id=address_of(EVE), by=ADA, now=LATER)
    first = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    document.change(title="Another", content="one 😀 two three", status="published", by=BOB, now=LATER)
    document.trash(by=ADA, now=LATER)
    document.restore_from_trash(by=ADA, now=LATER)
    document.restore_version(first, by=BOB, now=LATER)
    document.change(title="A title", content="one two", status="archived", by=ADA, now=LATER)
    erase_document(document, now=LATER)
    return document
