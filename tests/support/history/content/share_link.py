"""Share links of documents, and the users who come by them."""

from application.ports import Actor
from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.share_link import ShareLinks
from domain.identity.user import User
from domain.kernel import Root
from tests.support.history.kernel import History, begins, changes


@begins(ShareLinks, chance=0.03, needs=[Document])
def start(history: History) -> list[Root]:
    document = history.any(Document)
    if document.erased or document.trashed_at or document.id in {links.document_id for links in history.of(ShareLinks)}:
        return []
    links = ShareLinks.start(document, now=history.now)
    create(history, links, document)
    return [history.add(links)]


@changes(ShareLinks, weight=1)
def change(history: History) -> list[Root]:
    links = history.any(ShareLinks)
    document = next(each for each in history.of(Document) if each.id == links.document_id)
    if links.links and history.random.random() < 0.3:
        links.revoke(document, min(links.links), by=owner_of(document), now=history.now)
    else:
        create(history, links, document)
    return [links]


def create(history: History, links: ShareLinks, document: Document) -> None:
    """Create a link, as the owner of the document."""
    links.create(
        document,
        link_id=history.id(),
        role=history.random.choice(["editor", "viewer"]),
        token_digest=f"{history.random.getrandbits(256):064x}",
        password_hash=history.line(),
        expires_at=None,
        by=owner_of(document),
        now=history.now,
    )


def owner_of(document: Document) -> Actor:
    """The owner of the document."""
    return Actor(document.owner_id, document.owner_id)


@begins(LinkGuest, chance=0.03, needs=[ShareLinks, User])
def join(history: History) -> list[Root]:
    links, user = history.any(ShareLinks), history.any(User)
    taken = {(guest.document_id, guest.user_id) for guest in history.of(LinkGuest)}
    if not links.links or (links.document_id, user.id) in taken:
        return []
    guest = LinkGuest.join(document_id=links.document_id, user_id=user.id, link_id=min(links.links), now=history.now)
    return [history.add(guest)]


@changes(LinkGuest, weight=1)
def come_and_go(history: History) -> list[Root]:
    guest = history.any(LinkGuest)
    if guest.link_ids:
        guest.leave(now=history.now)
    else:
        guest.join_again(link_id=history.id(), now=history.now)
    return [guest]
