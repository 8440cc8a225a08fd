"""Queries of read models, as far as they can be judged without a database: what they ask for and what they answer."""

from typing import Any
from uuid import UUID

import pytest

from application.ports import Actor
from domain.billing.subscription import Subscription
from domain.identity.user import User
from domain.kernel import Party
from projections.content.document import LISTED, DocumentSummary, Sort, documents
from projections.identity.user import StoredProfile, user
from projections.page import BadCursor
from projections.visibility import own_documents, own_of, shared_documents
from tests.support.given import ID, NOW
from tests.support.projecting import EventsOf

ADA = Actor(UUID(int=1))


class Asked:
    """A read store that keeps the last query and answers the same to each."""

    def __init__(self, *answer: Any) -> None:
        self.answer = list(answer)
        self.query, self.params = "", dict[str, Any]()

    async def all(self, kind: type[Any], query: str, params: Any) -> list[Any]:
        self.query, self.params = query, params
        return self.answer

    async def by_key(self, kind: type[Any], query: str, key: object) -> Any:
        return next(iter(self.answer), None)


async def list_of(store: Asked, **options: Any) -> Any:
    """Ask for a list of documents."""
    return await documents(store, ADA, **options)  # type: ignore[arg-type]


def summary(number: int) -> DocumentSummary:
    """A row of the list."""
    return DocumentSummary(UUID(int=number), "user", ADA.user_id, f"{number}", "draft", "owner", 1, NOW, NOW, None)


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
    ("shared", "owned", "of_others"), [(None, True, True), (True, False, True), (False, True, False)]
)
async def test_a_list_reads_what_it_was_asked_for_only(shared: bool | None, owned: bool, of_others: bool) -> None:
    store = Asked()
    await list_of(store, shared=shared)
    assert (own_documents(LISTED) in store.query) == owned
    assert (shared_documents(LISTED) in store.query) == of_others


@pytest.mark.parametrize(("trashed", "where"), [(True, "d.trashed_at IS NOT NULL"), (False, "d.trashed_at IS NULL")])
async def test_the_trash_is_a_list_of_its_own(trashed: bool, where: str) -> None:
    store = Asked()
    await list_of(store, trashed=trashed, status="draft")
    assert f"AND {where} AND d.status = %(status)s ORDER BY" in store.query
    assert store.params["status"] == "draft"


def profile(version: int) -> StoredProfile:
    return StoredProfile(ID, version, email_verified=False, version=version, created_at=NOW, updated_at=NOW)


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
