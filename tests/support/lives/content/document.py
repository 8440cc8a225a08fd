"""The life of a document."""

from uuid import UUID

from domain.content import ownership, sharing
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.content.filing import file, set_tags
from domain.content.lending import lend
from domain.content.ownership import FormerOwner
from domain.content.version_names import name_version, unname_version
from domain.teams.team import Team
from tests.support.given import ID, NOW, address_of
from tests.support.lives.kernel import ADA, BOB, EVE, LATER, life


@life
def document() -> Document:
    """A document to which everything happens, from its first text to its erasure."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    for somebody, email in ((BOB, "bob@example.org"), (EVE, "eve@example.org")):
        sharing.share(document, address_id=address_of(somebody), email=email, role="viewer", by=ADA, now=LATER)
    sharing.bind_share(document, by=BOB, now=LATER)
    sharing.change_share(document, address_id=address_of(BOB), role="editor", by=ADA, now=LATER)
    sharing.revoke_share(document, address_id=address_of(EVE), by=ADA, now=LATER)
    first = Document.create(id=ID, owner_id=ADA.user_id, title="A title", content="one two", now=NOW)
    document.change(title="Another", content="one 😀 two three", status="published", by=BOB, now=LATER)
    set_tags(document, ["novel"], by=BOB, now=LATER)
    file(document, UUID(int=0xF0), by=ADA, now=LATER)
    name_version(document, 1, "First draft", by=BOB, now=LATER)
    unname_version(document, 1, by=ADA, now=LATER)
    for somebody, email in ((EVE, "eve@example.org"), (BOB, "bob@example.org")):
        ownership.offer(document, address_id=address_of(somebody), email=email, by=ADA, now=LATER)
    ownership.decline(document, None, by=BOB, now=LATER)
    document.trash(by=ADA, now=LATER)
    document.restore_from_trash(by=ADA, now=LATER)
    document.restore_version(first, by=BOB, now=LATER)
    document.change(title="A title", content="one two", status="archived", by=ADA, now=LATER)
    ownership.offer(document, address_id=address_of(BOB), email="bob@example.org", by=ADA, now=LATER)
    former = FormerOwner(ADA.user_id, address_of(ADA), "ada@example.org")
    ownership.accept(document, None, former, by=BOB, now=LATER)
    team = Team.found(id=UUID(int=0x7EA), name="Crew", slug="crew", owner_id=BOB.user_id, now=NOW)
    lend(document, team, "editor", by=BOB, now=LATER)
    lend(document, team, "viewer", by=BOB, now=LATER)
    ownership.offer_to_team(document, team, by=BOB, now=LATER)
    erase_document(document, now=LATER)
    return document
