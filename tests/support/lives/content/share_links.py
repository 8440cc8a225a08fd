"""The lives of share links, and of a guest."""

from datetime import timedelta
from uuid import UUID

from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.share_link import ShareLinks
from tests.support.given import ID, NOW
from tests.support.lives.kernel import ADA, BOB, LATER, life

LINK, OTHER = (UUID(int=0x11_0000 + number) for number in range(2))


@life
def share_links() -> ShareLinks:
    """Two links, one of them with a password and an end, revoked and erased."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="", now=NOW)
    links = ShareLinks.start(document, now=NOW)
    ends = {LINK: (None, None), OTHER: ("a hash", NOW + timedelta(days=7))}
    for link_id, (password_hash, expires_at) in ends.items():
        links.create(
            document,
            link_id=link_id,
            role="viewer",
            token_digest=f"{link_id.int:064x}",
            password_hash=password_hash,
            expires_at=expires_at,
            by=ADA,
            now=NOW,
        )
    links.revoke(document, LINK, by=ADA, now=LATER)
    links.erase(now=LATER)
    return links


@life
def guest() -> LinkGuest:
    """Joined by two links, and left."""
    guest = LinkGuest.join(document_id=ID, user_id=BOB.user_id, link_id=LINK, now=NOW)
    guest.join_again(link_id=OTHER, now=LATER)
    guest.leave(now=LATER)
    return guest
