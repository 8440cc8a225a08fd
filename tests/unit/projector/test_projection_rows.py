"""Each read model shows what its aggregate says: the same view, from a row or from the aggregate itself."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.http.api.schemas import PageQuery
from application.billing.subscription import subscription_view
from application.content.document import document_view
from application.identity.user import user_view
from application.teams.team import team_view
from domain.billing.subscription import Subscription
from domain.content import sharing
from domain.content.document import Document
from domain.content.texts import TITLE_LENGTH
from domain.identity.user import User
from domain.kernel import ERASED, Root
from domain.teams.team import Team
from projections.billing.subscription import StoredSubscription, Subscriptions, view_at
from projections.content.document import DocumentDetails
from projections.content.document_access import DocumentAccess
from projections.content.document_version import DocumentVersions
from projections.identity.user import UserProfile
from projections.kernel import Fold, ReadModel
from projections.page import BadCursor, Page, bounded, page_of, read_cursor, read_moment, write_cursor
from projections.teams.team import Teams
from projections.teams.team_invitation import TeamInvitations
from projections.teams.team_roster import TeamRoster
from tests.support.history import History
from tests.support.projecting import recorded
from tests.support.saves import created, erased, saved

OWNER = UUID(int=7)
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def history() -> tuple[History, list[Root.Event]]:
    """A long history, and its events."""
    made = History(3)
    events = [event for roots in made.changes(800) for root in roots for event in root.collect_events()]
    return made, events  # type: ignore[return-value]


def rows_of(model: ReadModel, events: list[Root.Event]) -> dict[Any, dict[str, Any]]:
    """The rows, by their key."""
    fold = Fold(model)
    fold.fold(fold.stage(recorded(*events)))
    assert not fold.poisons
    return {key: row for key, row in fold.rows.items() if row is not None}


def test_documents_are_as_their_aggregates_say(history: tuple[History, list[Root.Event]]) -> None:
    rows = rows_of(DocumentDetails(), history[1])
    assert len(rows) == len(history[0].of(Document))
    for document in history[0].of(Document):
        row, view = rows[(document.id,)], document_view(document)
        filing = {"folder_id": document.folder_id, "tags": document.tags}
        assert {name: row[name] for name in row if name != "position"} == filing | {
            name: getattr(view, name) for name in row if name not in {"position", *filing}
        }


def test_access_is_as_the_documents_say(history: tuple[History, list[Root.Event]]) -> None:
    found = {key: row["role"] for key, row in rows_of(DocumentAccess(), history[1]).items()}
    assert found == {
        (document.id, address_id): role
        for document in history[0].of(Document)
        for address_id, role in document.shares.items()
    }


def test_users_are_as_their_aggregates_say(history: tuple[History, list[Root.Event]]) -> None:
    rows = rows_of(UserProfile(), history[1])
    by_place = {(event.originator_id, event.originator_version): event for event in history[1]}
    for user in history[0].of(User):
        row, view = rows.get((user.id,)), user_view(user)
        assert (row is not None) == (not user.erased)
        if row is not None:
            profile: Any = by_place[user.id, row.pop("profile_version")]
            assert profile.name == view.name
            assert by_place[user.id, row.pop("email_version")].email == view.email  # type: ignore[attr-defined]
            assert row.pop("hidden") == (user.deletion_due is not None)
            assert row.pop("closed") == (not user.active)
            del row["position"]
            assert row == {name: getattr(view, name) for name in row}


def test_a_registration_that_is_repeated_drops_the_terms_of_an_unverified_user_only() -> None:
    user = User.register(id=OWNER, email="ada@example.org", name="Ada", password_hash="hash", now=NOW)
    user.request_link("verify", link_id=OWNER, token_digest="verify", now=NOW)
    other = User.register(id=UUID(int=8), email="eve@example.org", name="Eve", password_hash="hash", now=NOW)
    user.verify_email(token_digest="verify", now=NOW)
    for each in (user, other):
        each.accept_terms("1", now=NOW)
        each.repeat_registration(now=NOW)
    rows = rows_of(UserProfile(), [*user.collect_events(), *other.collect_events()])  # type: ignore[list-item]
    assert [rows[each.id,]["terms_version"] for each in (user, other)] == ["1", None]
    assert (user.terms_version, other.terms_version) == ("1", None)


@pytest.mark.parametrize("now", [NOW, datetime(2026, 12, 31, 23, 59, tzinfo=UTC), datetime(2029, 1, 1, tzinfo=UTC)])
def test_subscriptions_are_as_their_aggregates_say(history: tuple[History, list[Root.Event]], now: datetime) -> None:
    rows = rows_of(Subscriptions(), history[1])
    for subscription in history[0].of(Subscription):
        row = rows[(subscription.id,)]
        del row["position"]
        assert view_at(StoredSubscription(id=subscription.id, **row), now) == subscription_view(subscription, now)


def test_teams_are_as_their_aggregates_say(history: tuple[History, list[Root.Event]]) -> None:
    teams, roster = rows_of(Teams(), history[1]), rows_of(TeamRoster(), history[1])
    invitations = rows_of(TeamInvitations(), history[1])
    for team in history[0].of(Team):
        row, view = teams[(team.id,)], team_view(team, NOW)
        assert {name: row[name] for name in row if name != "position"} == {
            name: getattr(view, name) for name in row if name != "position"
        }
        assert {key[1]: row["role"] for key, row in roster.items() if key[0] == team.id} == team.members
        assert {key[1]: row["role"] for key, row in invitations.items() if key[0] == team.id} == team.invited
        assert {k[1]: row["expires_at"] for k, row in invitations.items() if k[0] == team.id} == team.invited_until


def test_versions_tell_what_changed_and_who_did_it_but_not_sharing() -> None:
    document = Document.create(id=UUID(int=1), owner_id=OWNER, title="First", content="text", now=NOW)
    sharing.share(document, address_id=UUID(int=9), email="a@example.org", role="viewer", by=_Actor(), now=NOW)
    document.change(title="Second", content="text", status="draft", by=_Actor(), now=NOW)
    rows = rows_of(DocumentVersions(), list(document.pending_events))  # type: ignore[arg-type]
    assert [(key[1], row["title"], row["content_length"], row["status"]) for key, row in rows.items()] == [
        (1, "First", 4, "draft"),
        (2, "Second", None, None),
    ]
    assert {row["author_id"] for row in rows.values()} == {OWNER}


def test_what_is_erased_reads_as_erased() -> None:
    history = [created("First", "text", OWNER), saved(2, steps=[4, "s"], content_length=5, status="published")]
    events = [
        happened.kind(originator_id=OWNER, originator_version=version, timestamp=NOW, **erased(happened).fields)
        for version, happened in enumerate(history, start=1)
    ]
    [row] = rows_of(DocumentDetails(), events).values()
    assert (row["title"], row["content"], row["version"], row["status"]) == (ERASED, ERASED, 2, "published")
    first, second = rows_of(DocumentVersions(), events).values()
    assert (first["title"], second["title"], second["content_length"]) == (ERASED, None, 5)


class _Actor:
    user_id = OWNER
    address_id = UUID(int=107)
    lent: dict[UUID, str] = {}  # noqa: RUF012


def test_a_page_names_the_next_one_only_if_there_is_one() -> None:
    assert page_of([1, 2, 3], 3, list) == Page([1, 2, 3], None)  # type: ignore[arg-type]
    page = page_of([1, 2, 3, 4], 3, lambda last: [last])
    assert page.items == [1, 2, 3]
    assert page.next is not None
    assert read_cursor(page.next, list[int]) == [3]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "é", "\0", "W10", "a" * 5_000, write_cursor(["1", 2]), write_cursor({"a": 1}), "//", "Izo=", "====="],
)
def test_a_cursor_that_was_tampered_with_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor) as refusal:
        read_cursor(cursor, tuple[int, str])
    assert refusal.value.code == "bad_cursor"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=TITLE_LENGTH))
@example("\\u0000")
@example("\\\\u0000")
@example("\U0010ffff" * TITLE_LENGTH)
@example("\\" * TITLE_LENGTH)
def test_a_cursor_that_was_made_here_is_read_here(title: str) -> None:
    """Case 4: a title of the six characters of an escaped NUL made a cursor that was refused."""
    cursor = write_cursor(["-created_at", title, str(UUID(int=1))])
    assert PageQuery(cursor=cursor).cursor == cursor
    assert read_cursor(cursor, tuple[str, str, UUID])[1] == title


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "\\\0"])
def test_a_cursor_holds_nothing_that_postgresql_would_choke_on(text: str) -> None:
    with pytest.raises(BadCursor):
        read_cursor(urlsafe_b64encode(json.dumps([text]).encode()).decode(), list[str])


@pytest.mark.parametrize("text", ["", "now", "2026-13-01", "2026-11-22 12:00:00"])
def test_a_moment_in_a_cursor_has_a_zone(text: str) -> None:
    with pytest.raises(BadCursor):
        read_moment(text)
    assert read_moment(str(NOW)) == NOW


@pytest.mark.parametrize(("asked", "given"), [(None, 50), (1, 1), (0, 1), (-5, 1), (100, 100), (101, 100)])
def test_pages_have_bounds(asked: int | None, given: int) -> None:
    assert bounded(asked) == given
