"""The transfer of a document: offered by its owner, accepted, declined or taken back, and what ends an offer."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from application.ports import Actor
from domain.access import AddressNotVerified, Person, RoleTooLow
from domain.content import erasure, ownership, sharing
from domain.content.document import Document
from domain.content.ownership import OFFER_LIFETIME, FormerOwner
from domain.content.refusals import DocumentIsTrashed, DocumentNotOffered, OfferedToOneself
from domain.content.roles import ShareRole
from domain.kernel import NotFound, Party
from domain.teams import dissolution
from domain.teams.team import Team
from domain.text import UnusableEmail
from tests.support.given import NOW, Fact, address_of, fact, given, new_events, person, replayed, state
from tests.support.saves import created

ADA, BOB, EDITOR, STRANGER = map(person, range(1, 5))
ADAS, BOBS = "ada@example.org", "bob@example.org"
UNTIL = NOW + OFFER_LIFETIME

CREATED = created("Title", "one", ADA.user_id)
OFFERED = fact(
    Document.OwnershipOffered, address_id=BOB.address_id, email=BOBS, offered_by=ADA.user_id, expires_at=UNTIL
)
WITHDRAWN = fact(Document.OwnershipOfferWithdrawn)
TRANSFERRED = fact(
    Document.OwnershipTransferred,
    former_owner_kind="user",
    former_owner_id=ADA.user_id,
    owner_kind="user",
    owner_id=BOB.user_id,
)
KEPT = [
    fact(Document.Shared, address_id=ADA.address_id, email=ADAS, role="editor"),
    fact(Document.ShareBound, address_id=ADA.address_id, user_id=ADA.user_id),
]


def document(*past: Fact) -> Document:
    return given(Document, CREATED, shared(EDITOR, "editor"), *past)


def shared(who: Person, role: ShareRole) -> Fact:
    return fact(Document.Shared, address_id=who.address_id, email="somebody@example.org", role=role)


def bound(address_of: Person, holder: Person) -> Fact:
    return fact(Document.ShareBound, address_id=address_of.address_id, user_id=holder.user_id)


def offer(one: Document, to: Person = BOB, email: str = BOBS, by: Person = ADA) -> None:
    assert to.address_id is not None
    ownership.offer(one, address_id=to.address_id, email=email, by=by, now=NOW)


def accept(one: Document, by: Person = BOB, after: timedelta = timedelta(0)) -> None:
    former = FormerOwner(ADA.user_id, address_of(ADA), ADAS)
    ownership.accept(one, None, former, by=by, now=NOW + after)


def test_an_offer_is_open_for_14_days_and_a_repeat_is_not_news() -> None:
    one = document()
    offer(one)
    offer(one)
    assert new_events(one) == [OFFERED]
    assert one.is_offered_to(address_of(BOB), UNTIL - timedelta(microseconds=1))
    assert not one.is_offered_to(address_of(BOB), UNTIL)
    assert one.role_of(BOB) is None


def test_only_the_owner_offers_and_only_with_a_verified_address() -> None:
    with pytest.raises(RoleTooLow):
        offer(document(), by=EDITOR)
    with pytest.raises(NotFound):
        offer(document(), by=STRANGER)
    with pytest.raises(AddressNotVerified):
        offer(document(), by=person(1, address=0))
    with pytest.raises(OfferedToOneself):
        offer(document(), to=ADA)
    with pytest.raises(UnusableEmail):
        offer(document(), email="no address")
    with pytest.raises(DocumentIsTrashed):
        offer(document(fact(Document.Trashed)))


def test_another_offer_ends_the_first_one() -> None:
    one = document(OFFERED)
    offer(one, to=EDITOR)
    assert new_events(one)[0] == WITHDRAWN
    with pytest.raises(NotFound):
        accept(one)
    accept(one, by=EDITOR)
    assert one.owner == Party("user", EDITOR.user_id)


def test_an_accepted_offer_changes_the_owner_and_keeps_the_former_one_as_an_editor() -> None:
    one = document(OFFERED)
    accept(one)
    assert new_events(one) == [TRANSFERRED, *KEPT]
    assert (one.role_of(BOB), one.role_of(ADA), one.role_of(EDITOR)) == ("owner", "editor", "editor")
    sharing.leave(one, by=ADA, now=NOW)
    assert one.role_of(ADA) is None
    with pytest.raises(NotFound):
        accept(one, by=STRANGER)
    with pytest.raises(DocumentNotOffered):
        accept(one)


def test_a_transfer_leaves_the_folder_and_keeps_tags_versions_and_names() -> None:
    filed, tagged = fact(Document.Filed, folder_id=ADA.user_id), fact(Document.Tagged, tags=["novel"])
    one = document(filed, tagged, fact(Document.VersionNamed, revision=1, name="First"), OFFERED)
    accept(one)
    assert (one.folder_id, one.tags, one.version_names) == (None, ["novel"], {1: "First"})
    assert (one.revision, one.transferred_at) == (1, NOW)


@pytest.mark.parametrize("past", [[shared(BOB, "viewer")], [shared(BOB, "viewer"), bound(BOB, BOB)]])
def test_the_new_owners_share_ends(past: list[Fact]) -> None:
    one = document(*past, OFFERED)
    accept(one)
    assert new_events(one)[0] == fact(Document.ShareRevoked, address_id=BOB.address_id)
    assert one.role_of(BOB) == "owner"
    assert address_of(BOB) not in one.shares


@pytest.mark.parametrize("past", [[shared(ADA, "viewer")], [shared(ADA, "viewer"), bound(ADA, ADA)]])
def test_a_share_of_the_former_owners_address_becomes_theirs(past: list[Fact]) -> None:
    one = document(*past, OFFERED)
    accept(one)
    changed = fact(Document.ShareChanged, address_id=ADA.address_id, role="editor")
    assert new_events(one) == [TRANSFERRED, changed, *([bound(ADA, ADA)] if len(past) == 1 else [])]
    assert one.role_of(ADA) == "editor"


def test_a_share_that_another_user_holds_by_the_former_owners_address_gives_way() -> None:
    one = document(shared(ADA, "viewer"), bound(ADA, STRANGER), OFFERED)
    accept(one)
    assert new_events(one) == [TRANSFERRED, fact(Document.ShareRevoked, address_id=ADA.address_id), *KEPT]
    assert (one.role_of(ADA), one.role_of(STRANGER)) == ("editor", None)


def test_a_document_can_come_back_to_its_former_owner() -> None:
    one = document(OFFERED)
    accept(one)
    ownership.offer(one, address_id=address_of(ADA), email=ADAS, by=BOB, now=NOW)
    ownership.accept(one, None, FormerOwner(BOB.user_id, address_of(BOB), BOBS), by=ADA, now=NOW)
    assert (one.role_of(ADA), one.role_of(BOB)) == ("owner", "editor")
    assert address_of(ADA) not in one.shares


def test_a_declined_offer_is_over() -> None:
    one = document(OFFERED)
    ownership.decline(one, None, by=BOB, now=NOW)
    assert new_events(one) == [fact(Document.OwnershipOfferDeclined)]
    with pytest.raises(NotFound):
        accept(one)


def test_an_offer_is_taken_back_once_and_only_by_the_owner() -> None:
    one = document(OFFERED)
    with pytest.raises(RoleTooLow):
        ownership.withdraw(one, by=EDITOR, now=NOW)
    ownership.withdraw(one, by=ADA, now=NOW)
    ownership.withdraw(one, by=ADA, now=NOW)
    assert new_events(one) == [WITHDRAWN]


@pytest.mark.parametrize("answer", [accept, lambda one, by: ownership.decline(one, None, by=by, now=NOW)])
def test_only_whom_it_is_offered_to_can_answer(answer: Callable[..., None]) -> None:
    unverified = person(2, address=0)
    refusals: list[tuple[Person, type[Exception]]] = [
        (ADA, DocumentNotOffered),
        (EDITOR, DocumentNotOffered),
        (STRANGER, NotFound),
        (unverified, NotFound),
    ]
    for who, refusal in refusals:
        with pytest.raises(refusal):
            answer(document(OFFERED), by=who)


def test_an_owner_who_takes_over_the_address_cannot_accept_their_own_offer() -> None:
    with pytest.raises(DocumentNotOffered):
        accept(document(OFFERED), by=person(1, address=2))


CREW = Party("team", UUID(int=0x7EA))


def crew(**roles: Person) -> Team:
    """A team of Ada's, with other members by their roles."""
    team = Team.found(id=CREW.id, name="Crew", slug="crew", owner_id=ADA.user_id, now=NOW)
    team.members |= {who.user_id: role for role, who in roles.items()}  # type: ignore[misc]
    return team


def document_of_team(by: Actor) -> Document:
    """A document of the team's that a member with the role owner has offered to Bob."""
    one = Document.create(id=UUID(int=2), owner_kind="team", owner_id=CREW.id, title="Plan", content="", now=NOW)
    by.lent[CREW.id] = "owner"
    offer(one, by=by)
    return one


@pytest.mark.parametrize("role", ["owner", "admin", "editor", "guest", None])
def test_an_offer_of_a_teams_document_holds_as_long_as_its_maker_may_give_it_away(role: str | None) -> None:
    maker = person(7)
    one, team = document_of_team(maker), crew(**{role: maker} if role else {})
    if role in ("owner", "admin"):
        ownership.accept(one, None, team, by=BOB, now=NOW)
        assert one.owner == Party("user", BOB.user_id)
    else:
        with pytest.raises(DocumentNotOffered):
            ownership.accept(one, None, team, by=BOB, now=NOW)


def test_another_admin_repeats_an_offer_in_their_own_name() -> None:
    one, ada = document_of_team(person(7)), person(1)
    ada.lent[CREW.id] = "owner"
    offer(one, by=ada)
    ownership.accept(one, None, crew(), by=BOB, now=NOW)
    assert one.owner == Party("user", BOB.user_id)


def test_what_was_offered_before_can_be_accepted_until_the_team_is_dissolved() -> None:
    maker = person(7)
    one, team = document_of_team(maker), crew(admin=maker)
    dissolution.request(team, by=ADA, now=NOW)
    ownership.accept(one, None, team, by=BOB, now=NOW)
    assert one.owner == Party("user", BOB.user_id)


def test_a_member_does_not_give_a_teams_document_to_themselves() -> None:
    maker = person(7)
    one = document_of_team(maker)
    with pytest.raises(OfferedToOneself):
        offer(one, to=maker, by=maker)
    with pytest.raises(DocumentNotOffered):
        ownership.accept(one, None, crew(admin=maker), by=replace(person(7, address=2), lent=maker.lent), now=NOW)


def test_only_a_person_with_a_verified_address_offers_to_a_team() -> None:
    with pytest.raises(AddressNotVerified):
        ownership.offer_to_team(document(), crew(), by=person(1, address=0), now=NOW)


def test_an_expired_offer_is_no_offer_and_can_be_repeated() -> None:
    with pytest.raises(NotFound):
        accept(document(OFFERED), after=OFFER_LIFETIME)
    one = document(OFFERED)
    ownership.offer(one, address_id=address_of(BOB), email=BOBS, by=ADA, now=UNTIL)
    assert one.is_offered_to(address_of(BOB), UNTIL)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: one.trash(by=ADA, now=NOW),
        lambda one: erasure.erase_document(one, now=NOW),
        lambda one: erasure.forget_address(one, address_of(BOB), now=NOW),
    ],
    ids=["trash", "erase", "erase address"],
)
def test_an_offer_ends_with_the_document_or_the_address(change: Callable[[Document], None]) -> None:
    one = document(OFFERED)
    change(one)
    assert WITHDRAWN in new_events(one)
    with pytest.raises(NotFound):
        accept(one)


def test_a_transfer_is_in_the_history() -> None:
    one = Document.create(id=ADA.user_id, owner_id=ADA.user_id, title="A", content="", now=NOW)
    offer(one)
    accept(one)
    assert state(replayed(one)) == state(one)
    assert one.tenant == Party("user", ADA.user_id)


def test_the_former_owner_loses_the_role_before_the_transfer_is_acknowledged() -> None:
    assert "document" in Document.OwnershipTransferred.revokes
    assert "document_ownership_offer" in Document.OwnershipOfferWithdrawn.revokes
