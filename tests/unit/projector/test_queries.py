"""Queries of read models, as far as they can be judged without a database: what they ask for and what they answer."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from application.content.document import BindShare, DocumentView
from application.ports import Actor
from application.teams.team import TeamView
from domain.access import RoleTooLow
from domain.billing.subscription import Subscription
from domain.content import sharing
from domain.content.document import Document
from domain.identity.user import User
from domain.kernel import Party
from projections.content.document import (
    LISTED,
    DocumentFilter,
    DocumentSummary,
    ListSource,
    Sort,
    document,
    documents,
)
from projections.content.document_access import ShareView, StoredShare, shares
from projections.identity.user import StoredProfile, user
from projections.page import BadCursor
from projections.teams.team import OWN, TEAM, teams
from projections.visibility import Audience, HeldRole, own_documents, own_of, shared_documents, team_documents
from tests.support.given import ID, NOW
from tests.support.projecting import EventsOf

ADA = Actor(UUID(int=1), UUID(int=0xADA))


def require_parameters(query: str, params: Any) -> None:
    """Assert that all parameters of the query are given."""
    if isinstance(params, dict):
        assert set(re.findall(r"%\((\w+)\)s", query)) <= params.keys()
    else:
        assert query.count("%s") == len(params)


class Asked:
    """A read store that keeps the last query, which must have all its parameters, and answers the same to each.

    `number`: of the queries.
    """

    def __init__(self, *answer: Any) -> None:
        self.answer = list(answer)
        self.number = 0
        self.query, self.params = "", dict[str, Any]()

    async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
        require_parameters(query, params)
        self.query, self.params = query, params
        self.number += 1
        return self.answer

    async def one(self, kind: type[Any], query: str, params: Any) -> Any:
        return next(iter(await self.all(kind, query, params)), None)

    async def by_key(self, kind: type[Any], query: str, key: object) -> Any:
        return next(iter(self.answer), None)


async def list_of(store: Asked, **options: Any) -> Any:
    """Ask for a list of documents."""
    return await documents(store, ADA, **options)  # type: ignore[arg-type]


def summary(number: int) -> DocumentSummary:
    """A row of the list."""
    return DocumentSummary(
        UUID(int=number), "user", ADA.user_id, f"{number}", "draft", "owner", 1, NOW, NOW, None, [], False
    )


@pytest.mark.parametrize(
    ("sort", "order", "after"),
    [
        ("title", "ORDER BY d.title ASC, d.id ASC", "(d.title, d.id) >"),
        ("-title", "ORDER BY d.title DESC, d.id DESC", "(d.title, d.id) <"),
        ("-updated_at", "ORDER BY d.updated_at DESC, d.id DESC", "(d.updated_at, d.id) <"),
    ],
)
async def test_a_list_goes_on_in_its_own_order(sort: Sort, order: str, after: str) -> None:
    store = Asked(summary(1), summary(2))
    first = await list_of(store, sort=sort, limit=1)
    assert f"{order} LIMIT" in store.query
    assert after not in store.query
    await list_of(store, sort=sort, limit=1, cursor=first.next)
    assert f"{order} LIMIT" in store.query
    assert f"{after} (%(value)s, %(id)s)" in store.query
    assert (store.params["id"], store.params["size"]) == (UUID(int=1), 2)
    assert store.params["value"] == ("1" if "title" in sort else NOW)


async def test_a_cursor_of_another_order_is_refused() -> None:
    store = Asked(summary(1), summary(2))
    first = await list_of(store, sort="title", limit=1)
    with pytest.raises(BadCursor):
        await list_of(store, sort="-title", limit=1, cursor=first.next)


@pytest.mark.parametrize(
    ("wanted", "sources"),
    [
        (DocumentFilter(), {own_documents, team_documents, shared_documents}),
        (DocumentFilter(shared=True), {shared_documents}),
        (DocumentFilter(shared=False), {own_documents}),
        (DocumentFilter(folder_ids=[ID]), {own_documents}),
        (DocumentFilter(folder_ids=[ID], team_id=ID), {team_documents}),
        (DocumentFilter(other_folder_ids=[ID], team_id=ID), {team_documents}),
    ],
)
async def test_a_list_reads_what_it_was_asked_for_only(wanted: DocumentFilter, sources: set[ListSource]) -> None:
    store = Asked()
    await list_of(store, wanted=wanted)
    all_sources: list[ListSource] = [own_documents, team_documents, shared_documents]
    beginnings = {source: source(LISTED, "REST").partition("REST")[0] for source in all_sources}
    assert {source for source, beginning in beginnings.items() if beginning in store.query} == sources


@pytest.mark.parametrize(("trashed", "where"), [(True, "d.trashed_at IS NOT NULL"), (False, "d.trashed_at IS NULL")])
async def test_the_trash_is_a_list_of_its_own(trashed: bool, where: str) -> None:
    store = Asked()
    await list_of(store, wanted=DocumentFilter(trashed=trashed, status="draft"))
    assert f"AND {where} AND d.status = %(status)s ORDER BY" in store.query
    assert store.params["status"] == "draft"


@pytest.mark.parametrize("shared", [True, False])
async def test_a_tag_in_documents_from_one_source_is_found_by_one_query(shared: bool) -> None:
    store = Asked()
    await list_of(store, wanted=DocumentFilter(tag="otter", shared=shared))
    assert "d.tags @> ARRAY[%(tag)s]" in store.query
    assert store.number == 1


def team_view(number: int) -> TeamView:
    """A row of the list of teams."""
    return TeamView(UUID(int=number), "Team", "team", 3, 1, 1, 1, NOW, NOW, None, None)


async def test_teams_are_a_list_of_the_users_own_and_go_on_after_the_last_one() -> None:
    store = Asked(team_view(1), team_view(2))
    first = await teams(store, ADA, NOW, limit=1)  # type: ignore[arg-type]
    assert store.params == {"user_id": ADA.user_id, "now": NOW, "after": UUID(int=0), "size": 2}
    assert store.query == TEAM + OWN
    assert [each.id for each in first.items] == [UUID(int=1)]
    await teams(store, ADA, NOW, cursor=first.next, limit=1)  # type: ignore[arg-type]
    assert store.params["after"] == UUID(int=1)


class DocumentRows:
    """A document of `owner_id`, the actor's shares of it, and all its shares."""

    def __init__(self, owner_id: UUID, held: Sequence[HeldRole] = (), all_shares: Sequence[StoredShare] = ()) -> None:
        self.owner_id = owner_id
        self.answers: dict[type, list[Any]] = {HeldRole: [*held], StoredShare: [*all_shares]}

    async def by_key(self, kind: type[Any], query: str, key: object) -> Any:
        return DocumentView(ID, "user", self.owner_id, "Notes", "", "draft", 1, NOW, NOW, None, None)

    async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
        require_parameters(query, params)
        return self.answers[kind]


async def test_an_owner_sees_to_whom_a_document_is_shared_by_address() -> None:
    notes = Document.create(id=ID, owner_id=ADA.user_id, title="Notes", content="", now=NOW)
    for number, email in enumerate(("eve@example.org", "bob@example.org")):
        sharing.share(notes, address_id=UUID(int=number), email=email, role="viewer", by=ADA, now=NOW)
    stored = [StoredShare(2, "editor", used=True), StoredShare(3, "viewer", used=False)]
    found = await shares(DocumentRows(ADA.user_id, (), stored), EventsOf(notes), ADA, ID)  # type: ignore[arg-type]
    assert found == [ShareView("bob@example.org", "viewer", False), ShareView("eve@example.org", "editor", True)]


async def test_the_shares_of_a_document_are_not_for_those_it_is_shared_with() -> None:
    rows = DocumentRows(UUID(int=9), [HeldRole("share", "editor", unused=False)])
    with pytest.raises(RoleTooLow):
        await shares(rows, EventsOf(), ADA, ID)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("owner", "held", "causes"),
    [
        (ADA.user_id, [], None),
        (
            UUID(int=9),
            [HeldRole("share", "viewer", unused=True), HeldRole("share", "editor", unused=False)],
            BindShare(id=ID),
        ),
        (UUID(int=9), [HeldRole("share", "viewer", unused=False)], None),
    ],
)
async def test_reading_a_document_uses_a_share_that_was_not_used(
    owner: UUID, held: list[HeldRole], causes: BindShare | None
) -> None:
    found = await document(DocumentRows(owner, held), ADA, ID)  # type: ignore[arg-type]
    assert found is not None
    assert found.causes == causes


async def test_a_document_does_not_exist_for_others() -> None:
    assert await document(DocumentRows(UUID(int=9)), ADA, ID) is None  # type: ignore[arg-type]


def profile(version: int) -> StoredProfile:
    return StoredProfile(
        ID,
        email_version=1,
        profile_version=version,
        email_verified=False,
        terms_version=None,
        hidden=False,
        closed=False,
        version=version,
        created_at=NOW,
        updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("version", "name", "picture"), [(1, "Ada", None), (2, "Lovelace", "https://example.org/me.png")]
)
async def test_a_user_has_the_name_and_picture_of_the_last_change(version: int, name: str, picture: str | None) -> None:
    ada = User.register(id=ID, email="ada@example.org", name="Ada", password_hash="-", now=NOW)
    ada.change_profile(name="Lovelace", avatar_url="https://example.org/me.png", now=NOW)
    view = await user(Asked(profile(version)), EventsOf(ada), ID)  # type: ignore[arg-type]
    assert view is not None
    assert (view.email, view.name, view.avatar_url, view.version) == ("ada@example.org", name, picture, version)


def test_only_a_user_reads_their_account_and_their_subscription() -> None:
    assert own_of(ADA) == {ADA.user_id, Subscription.id_of(Party("user", ADA.user_id))}


async def test_a_closed_account_has_no_view() -> None:
    assert await user(Asked(), EventsOf(), ID) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("actor", "reads", "manages"),
    [
        (Actor(UUID(int=1), None), True, True),
        (Actor(UUID(int=2), None), True, False),
        (Actor(UUID(int=3), UUID(int=0xA)), True, False),
        (Actor(UUID(int=3), UUID(int=0xB)), False, False),
        (Actor(UUID(int=3), None), False, False),
    ],
    ids=["a manager", "a reader", "a holder of an address", "a holder of another address", "another user"],
)
def test_an_audience_has_readers_by_user_and_by_address_and_managers(actor: Actor, reads: bool, manages: bool) -> None:
    audience = Audience(ID, [UUID(int=1), UUID(int=2)], [UUID(int=1)], [UUID(int=0xA)])
    assert (audience.include(actor), audience.include(actor, managers=True)) == (reads, manages)
