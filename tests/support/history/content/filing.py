"""Documents: tagged, and moved into folders."""

from application.ports import Actor
from domain.content.document import Document
from domain.content.filing import file, set_tags
from domain.kernel import Root
from tests.support.history.kernel import History, changes


@changes(Document, weight=1)
def keep(history: History) -> list[Root]:
    document = history.any(Document)
    owner = Actor(document.owner_id)
    if history.random.random() < 0.5:
        set_tags(document, [history.line() for _ in range(history.random.randrange(4))], by=owner, now=history.now)
    else:
        file(document, history.random.choice([None, history.id()]), by=owner, now=history.now)
    return [document]
