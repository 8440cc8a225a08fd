"""Stars: set on documents, removed and set again."""

from domain.content.document import Document
from domain.content.star import Star
from domain.identity.user import User
from domain.kernel import Root
from tests.support.history.kernel import History, begins, changes


@begins(Star, chance=0.05, needs=[User, Document])
def place(history: History) -> list[Root]:
    user_id, document_id = history.any(User).id, history.any(Document).id
    if any(star.id == Star.id_of(user_id, document_id) for star in history.of(Star)):
        return []
    return [history.add(Star.place(user_id=user_id, document_id=document_id, now=history.now))]


@changes(Star, weight=1)
def change(history: History) -> list[Root]:
    star = history.any(Star)
    if star.placed:
        star.remove(now=history.now)
    else:
        star.place_again(now=history.now)
    return [star]
