"""Requests for access to documents: asked, answered, withdrawn."""

from uuid import UUID

from application.ports import Actor
from domain.content.access_request import AccessRequest
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Root
from tests.support.history.content.share_link import owner_of
from tests.support.history.kernel import History, begins, changes


@begins(AccessRequest, chance=0.03, needs=[User, Document])
def ask(history: History) -> list[Root]:
    by, document = asker(history.any(User).id), history.any(Document)
    if any(request.id == AccessRequest.id_of(document.id, by.user_id) for request in history.of(AccessRequest)):
        return []
    request = AccessRequest.ask(document_id=document.id, role="viewer", message=history.text(), by=by, now=history.now)
    return [history.add(request)]


@changes(AccessRequest, weight=1)
def change(history: History) -> list[Root]:
    request = history.any(AccessRequest)
    document = next(each for each in history.of(Document) if each.id == request.document_id)
    match history.random.randrange(4):
        case 0:
            request.withdraw(now=history.now)
        case 1:
            request.decline(document, by=owner_of(document), now=history.now)
        case 2:
            address_id, email = history.address()
            request.accept(
                document, address_id=address_id, email=email, role=None, by=owner_of(document), now=history.now
            )
        case _:
            by = asker(request.user_id)
            request.ask_again(role="editor", message=history.line(), by=by, now=history.now)
    return [document, request]


def asker(user_id: UUID) -> Actor:
    """A user with a verified address."""
    return Actor(user_id, user_id)
