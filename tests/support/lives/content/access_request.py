"""The lives of access requests."""

from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.requests import ASK_AGAIN_AFTER
from tests.support.given import ID, NOW, address_of
from tests.support.lives.kernel import ADA, BOB, LATER, life


@life
def access_request() -> AccessRequest:
    """Asked, withdrawn, asked again, declined, asked again and accepted."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="", now=NOW)
    request = AccessRequest.ask(document_id=ID, role="viewer", message="Please.", by=BOB, now=NOW)
    request.withdraw(now=NOW)
    request.ask_again(role="editor", message="Please!", by=BOB, now=LATER)
    request.decline(document, by=ADA, now=LATER)
    request.ask_again(role="editor", message="Again, please.", by=BOB, now=LATER + ASK_AGAIN_AFTER)
    request.accept(
        document, address_id=address_of(BOB), email="bob@example.org", role=None, by=ADA, now=LATER + ASK_AGAIN_AFTER
    )
    return request
