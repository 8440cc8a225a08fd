"""What an erasure does to documents."""

from uuid import UUID

from domain.content.document import Document
from domain.content.erasure import erase_document, forget_user, is_of
from domain.kernel import Party
from tests.support.given import NOW, fact, given, new_events, person
from tests.support.saves import created

ADA, BOB, EVE = map(person, (1, 2, 3))


def document() -> Document:
    """Shared with three addresses; Bob has used two of them, Eve one."""
    one = given(Document, created("Notes", "Otters.", ADA.user_id))
    for number, holder in ((12, BOB), (13, EVE), (14, BOB)):
        address_id = UUID(int=number)
        one.trigger_event(Document.Shared, now=NOW, address_id=address_id, email="a@example.org", role="viewer")
        one.trigger_event(Document.ShareBound, now=NOW, address_id=address_id, user_id=holder.user_id)
    one.collect_events()
    return one


def test_all_shares_that_are_bound_to_an_erased_user_are_revoked_and_no_others() -> None:
    one = document()
    forget_user(one, BOB.user_id, now=NOW)
    assert new_events(one) == [fact(Document.ShareRevoked, address_id=UUID(int=number)) for number in (12, 14)]
    assert one.role_of(EVE) == "viewer"


def test_the_documents_of_others_stay() -> None:
    one = document()
    for owner in (Party("user", BOB.user_id), Party("team", ADA.user_id)):
        assert not is_of(one, owner)
    assert new_events(one) == []
    assert is_of(one, Party("user", ADA.user_id))
    erase_document(one, now=NOW)
    assert one.erased
