"""Share links: who creates and revokes them, which of them live, and what their guests leave."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.access import AddressNotVerified, RoleTooLow
from domain.content import sharing
from domain.content.document import Document
from domain.content.link_guest import LinkGuest
from domain.content.refusals import DocumentIsTrashed, ExpiresInThePast, TooManyLinks
from domain.content.roles import ShareRole
from domain.content.share_link import MAX_LINKS, ShareLinks
from domain.kernel import NotFound
from tests.support.given import ID, NOW, address_of, bare, fact, new_events, person

ADA, BOB, EVE = map(person, range(1, 4))
LINK = UUID(int=0x11)
SOON = NOW + timedelta(hours=1)


def written() -> Document:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Notes", content="", now=NOW)
    sharing.share(document, address_id=address_of(BOB), email="bob@example.org", role="editor", by=ADA, now=NOW)
    return document


def create(links: ShareLinks, document: Document, link_id: UUID = LINK, **changes: Any) -> None:
    values: dict[str, Any] = {"role": "viewer", "token_digest": "d" * 64, "password_hash": None, "expires_at": None}
    links.create(document, link_id=link_id, **{**values, "by": ADA, "now": NOW, **changes})


def started() -> tuple[Document, ShareLinks]:
    document = written()
    return document, ShareLinks.start(document, now=NOW)


def test_a_link_gives_its_role_until_it_is_revoked() -> None:
    document, links = started()
    create(links, document, role="editor")
    assert links.find("d" * 64, NOW) == LINK
    assert links.role_by([LINK], NOW) == "editor"
    links.revoke(document, LINK, by=ADA, now=NOW)
    assert (links.find("d" * 64, NOW), links.role_by([LINK], NOW)) == (None, None)
    count = len(new_events(links))
    links.revoke(document, LINK, by=ADA, now=NOW)
    assert len(new_events(links)) == count


def test_a_link_ends_at_its_time() -> None:
    document, links = started()
    create(links, document, expires_at=SOON)
    before = SOON - timedelta(microseconds=1)
    assert (links.role_by([LINK], before), links.role_by([LINK], SOON)) == ("viewer", None)
    assert (links.find("d" * 64, before), links.find("d" * 64, SOON)) == (LINK, None)


def test_an_event_says_whether_there_is_a_password_in_clear() -> None:
    document, links = started()
    create(links, document, password_hash="hash")
    assert new_events(links)[-1] == fact(
        ShareLinks.Created,
        link_id=LINK,
        document_id=ID,
        role="viewer",
        token_digest="d" * 64,
        has_password=True,
        password_hash="hash",
        expires_at=None,
    )


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"by": BOB}, RoleTooLow),
        ({"by": EVE}, NotFound),
        ({"by": person(1, address=0)}, AddressNotVerified),
        ({"expires_at": NOW}, ExpiresInThePast),
    ],
)
def test_only_a_verified_owner_creates_links_and_only_for_later(
    changes: dict[str, Any], refusal: type[Exception]
) -> None:
    document, links = started()
    with pytest.raises(refusal):
        create(links, document, **changes)


def test_a_document_in_the_trash_gets_no_links_but_loses_them() -> None:
    document, links = started()
    create(links, document)
    document.trash(by=ADA, now=NOW)
    with pytest.raises(DocumentIsTrashed):
        create(links, document, UUID(int=2))
    links.revoke(document, LINK, by=ADA, now=NOW)
    assert links.links == {}


def test_an_editor_revokes_no_link() -> None:
    document, links = started()
    create(links, document)
    with pytest.raises(RoleTooLow):
        links.revoke(document, LINK, by=BOB, now=NOW)


def test_the_number_of_links_is_limited() -> None:
    document, links = started()
    for number in range(MAX_LINKS):
        create(links, document, UUID(int=number))
    with pytest.raises(TooManyLinks):
        create(links, document)


def test_erased_links_give_no_role() -> None:
    document, links = started()
    create(links, document)
    links.erase(now=NOW)
    assert (links.links, links.erased, links.role_by([LINK], NOW)) == ({}, True, None)
    count = len(links.pending_events)
    links.erase(now=NOW)
    assert len(links.pending_events) == count


def test_a_guest_who_leaves_gives_back_all_that_links_gave() -> None:
    guest = LinkGuest.join(document_id=ID, user_id=BOB.user_id, link_id=LINK, now=NOW)
    guest.join_again(link_id=LINK, now=NOW)
    guest.join_again(link_id=UUID(int=2), now=NOW)
    guest.leave(now=NOW)
    guest.leave(now=NOW)
    assert [bare(event).kind for event in guest.pending_events] == [  # type: ignore[arg-type]
        LinkGuest.Joined,
        LinkGuest.JoinedAgain,
        LinkGuest.Left,
        LinkGuest.Left,
    ]
    assert guest.link_ids == []


def test_a_lent_role_counts_like_a_share() -> None:
    document = written()
    for lent, role in (("commenter", "commenter"), ("editor", "editor")):
        EVE.lent[document.id] = lent
        assert document.role_of(EVE) == role
    EVE.lent.clear()
    BOB.lent[document.id] = "viewer"
    assert document.role_of(BOB) == "editor"
    BOB.lent.clear()


ROLES: st.SearchStrategy[ShareRole] = st.sampled_from(["editor", "commenter", "viewer"])
RANK = {"viewer": 0, "commenter": 1, "editor": 2}


@given(st.lists(st.tuples(ROLES, st.none() | st.integers(1, 10), st.booleans()), max_size=6), st.integers(0, 12))
def test_the_highest_live_link_counts(made: list[tuple[ShareRole, int | None, bool]], after: int) -> None:
    document, links = started()
    now = NOW + timedelta(hours=after)
    live = []
    for number, (role, hours, revoked) in enumerate(made):
        ends: datetime | None = None if hours is None else NOW + timedelta(hours=hours)
        create(links, document, UUID(int=number), role=role, expires_at=ends, token_digest=f"{number:064}")
        if revoked:
            links.revoke(document, UUID(int=number), by=ADA, now=NOW)
        elif ends is None or now < ends:
            live.append(role)
    highest = max(live, key=RANK.__getitem__, default=None)
    assert links.role_by([UUID(int=number) for number in range(8)], now) == highest
