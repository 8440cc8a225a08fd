"""Documents: texts with a history, and who may do what with them."""

from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from domain.access import Person, RoleTooLow
from domain.content import delta
from domain.content.document import (
    CONTENT_LENGTH,
    MAX_SHARES,
    Document,
    DocumentIsArchived,
    DocumentIsTrashed,
    NoLongerADraft,
    NoSuchShare,
    Role,
    SharedWithOneself,
    ShareRole,
    Status,
    TooManyShares,
)
from domain.kernel import ERASED, NotFound, Refusal
from domain.text import UnusableEmail, UnusableText
from tests.support.given import ID, NOW, Fact, address_of, fact, given, new_events, person, replayed, state

ADA, EDITOR, COMMENTER, VIEWER, STRANGER = map(person, range(1, 6))
UNVERIFIED = person(6, address=0)

CREATED = fact(Document.Created, title="Title", content="one two three", owner_id=ADA.user_id)
PUBLISHED = fact(Document.Published)
ARCHIVED = fact(Document.Archived)
TRASHED = fact(Document.Trashed)
EMAIL = "bob@example.org"


def shared(with_whom: Person, role: ShareRole, email: str = EMAIL) -> Fact:
    return fact(Document.Shared, address_id=with_whom.address_id, email=email, role=role)


SHARES = [shared(EDITOR, "editor"), shared(COMMENTER, "commenter"), shared(VIEWER, "viewer")]


def change(
    document: Document,
    *,
    title: str = "Title",
    content: str = "one two three",
    status: Status = "draft",
    by: Person = ADA,
) -> None:
    document.change(title=title, content=content, status=status, by=by, now=NOW)


def share(document: Document, address_id: UUID, role: ShareRole = "viewer", email: str = EMAIL) -> None:
    document.share(address_id=address_id, email=email, role=role, by=ADA, now=NOW)


# Writing


def test_a_new_document_is_its_owners_draft() -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title=" Title ", content="one two three", now=NOW)
    assert new_events(document) == [CREATED]
    assert (document.title, document.content, document.status) == ("Title", "one two three", "draft")
    assert (document.owner_id, document.trashed_at, document.shares) == (ADA.user_id, None, {})


def test_a_document_may_be_empty_but_has_a_title() -> None:
    Document.create(id=ID, owner_id=ADA.user_id, title="Title", content="", now=NOW)
    for title in ("", " ", "x" * 301, "a\0b"):
        with pytest.raises(UnusableText):
            Document.create(id=ID, owner_id=ADA.user_id, title=title, content="", now=NOW)


@pytest.mark.parametrize("content", ["x" * (CONTENT_LENGTH + 1), "a\0b", "a\ud800b"])
def test_a_content_is_bounded_and_can_be_stored(content: str) -> None:
    with pytest.raises(UnusableText):
        Document.create(id=ID, owner_id=ADA.user_id, title="Title", content=content, now=NOW)
    with pytest.raises(UnusableText):
        change(given(Document, CREATED), content=content)


def test_an_edit_stores_what_changed_and_no_more() -> None:
    document = given(Document, CREATED)
    change(document, content="one 2 three")
    assert new_events(document) == [fact(Document.Edited, delta=[4, -3, "2"])]
    assert document.content == "one 2 three"


def test_a_new_title_is_one_fact_and_a_new_content_another() -> None:
    document = given(Document, CREATED)
    change(document, title="Other", content="one two three four")
    assert new_events(document) == [fact(Document.Retitled, title="Other"), fact(Document.Edited, delta=[13, " four"])]


def test_nothing_changed_causes_no_event() -> None:
    document = given(Document, CREATED)
    change(document, title=" Title")
    assert new_events(document) == []


# Status


@pytest.mark.parametrize(
    ("past", "status", "expected"),
    [
        ([], "published", [PUBLISHED]),
        ([], "archived", [ARCHIVED]),
        ([PUBLISHED], "archived", [ARCHIVED]),
        ([ARCHIVED], "published", [PUBLISHED]),
        ([], "draft", []),
        ([PUBLISHED], "published", []),
        ([ARCHIVED], "archived", []),
    ],
)
def test_a_document_is_published_and_archived(past: list[Fact], status: Status, expected: list[Fact]) -> None:
    document = given(Document, CREATED, *past)
    change(document, status=status)
    assert new_events(document) == expected
    assert document.status == status


@pytest.mark.parametrize("past", [[PUBLISHED], [ARCHIVED]])
def test_no_document_becomes_a_draft_again(past: list[Fact]) -> None:
    document = given(Document, CREATED, *past)
    with pytest.raises(NoLongerADraft):
        change(document, status="draft")
    assert new_events(document) == []


@pytest.mark.parametrize("text", [{"title": "Other"}, {"content": "other"}])
def test_an_archived_document_is_read_only(text: dict[str, str]) -> None:
    document = given(Document, CREATED, ARCHIVED)
    with pytest.raises(DocumentIsArchived):
        document.change(
            title=text.get("title", "Title"),
            content=text.get("content", "one two three"),
            status="archived",
            by=ADA,
            now=NOW,
        )
    assert new_events(document) == []


def test_texts_change_on_the_way_out_of_the_archive_and_on_the_way_into_it() -> None:
    retitled = fact(Document.Retitled, title="Other")
    out = given(Document, CREATED, ARCHIVED)
    change(out, title="Other", status="published")
    assert new_events(out) == [PUBLISHED, retitled]
    into = given(Document, CREATED)
    change(into, title="Other", status="archived")
    assert new_events(into) == [retitled, ARCHIVED]


# Trash


def test_a_document_is_trashed_once_and_restored_once() -> None:
    document = given(Document, CREATED, PUBLISHED)
    document.trash(by=ADA, now=NOW)
    document.trash(by=ADA, now=NOW)
    assert state(document)["trashed_at"] == NOW
    document.restore_from_trash(by=ADA, now=NOW)
    document.restore_from_trash(by=ADA, now=NOW)
    assert new_events(document) == [TRASHED, fact(Document.RestoredFromTrash)]
    assert (state(document)["trashed_at"], document.status) == (None, "published")


@pytest.mark.parametrize(
    "command",
    [
        lambda document: change(document, title="Other"),
        change,
        lambda document: document.restore_version(given(Document, CREATED), by=ADA, now=NOW),
        lambda document: share(document, address_of(STRANGER)),
        lambda document: document.change_share(address_id=address_of(VIEWER), role="editor", by=ADA, now=NOW),
    ],
    ids=["change", "same", "restore", "share", "change_share"],
)
def test_in_the_trash_nothing_changes(command: Callable[[Document], None]) -> None:
    document = given(Document, CREATED, *SHARES, fact(Document.Retitled, title="Later"), TRASHED)
    with pytest.raises(DocumentIsTrashed):
        command(document)
    assert new_events(document) == []


def test_a_share_is_revoked_even_in_the_trash() -> None:
    document = given(Document, CREATED, *SHARES, TRASHED)
    document.revoke_share(address_id=address_of(VIEWER), by=ADA, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=VIEWER.address_id)]


# Versions


def test_an_old_version_comes_back_as_a_new_one() -> None:
    past = [CREATED, fact(Document.Retitled, title="Other"), fact(Document.Edited, delta=[4, -3, "2"]), PUBLISHED]
    document = given(Document, *past)
    document.restore_version(given(Document, *past[:1]), by=ADA, now=NOW)
    restored = fact(Document.RestoredToVersion, restored_version=1, title="Title", delta=[4, -1, "two"])
    assert new_events(document) == [restored]
    assert (document.title, document.content) == ("Title", "one two three")
    assert (document.status, document.version) == ("published", 5)


def test_a_version_like_the_current_one_causes_no_event() -> None:
    document = given(Document, CREATED, PUBLISHED)
    document.restore_version(given(Document, CREATED), by=ADA, now=NOW)
    assert new_events(document) == []


def test_an_archived_document_takes_no_old_version() -> None:
    document = given(Document, CREATED, fact(Document.Retitled, title="Other"), ARCHIVED)
    with pytest.raises(DocumentIsArchived):
        document.restore_version(given(Document, CREATED), by=ADA, now=NOW)


TEXTS = st.text(alphabet="ab\n😀", max_size=40)


@forall(st.lists(TEXTS, min_size=1, max_size=15), st.data())
def test_every_version_can_be_rebuilt_and_restored(contents: list[str], data: st.DataObject) -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Title", content="", now=NOW)
    for content in contents:
        change(document, content=content)
    assert document.content == contents[-1]
    version = data.draw(st.integers(1, document.version))
    earlier = given(Document, *new_events(document)[:version])
    document.restore_version(earlier, by=ADA, now=NOW)
    assert document.content == earlier.content
    assert state(replayed(document)) == state(document)


@forall(st.lists(TEXTS, max_size=8))
def test_an_erased_history_replays(contents: list[str]) -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Title", content="ab", now=NOW)
    for content in contents:
        change(document, title=f"{len(content)} characters", content=content)
    erased = {"title": ERASED, "content": ERASED, "delta": []}
    facts = [
        Fact(happened.kind, {name: erased.get(name, value) for name, value in happened.fields.items()})
        for happened in new_events(document)
    ]
    again = given(Document, *facts)
    assert (again.title, again.content, again.version) == (ERASED, ERASED, document.version)


def test_a_snapshot_taken_before_the_erasure_of_an_edit_still_replays() -> None:
    edited = fact(Document.Edited, delta=delta.make("a much longer text", "a much longer text indeed"))
    document = given(Document, fact(Document.Created, title="T", content=ERASED, owner_id=ADA.user_id), edited)
    assert document.content.startswith(ERASED)


# Roles


@pytest.mark.parametrize(
    ("who", "role"),
    [
        (ADA, "owner"),
        (EDITOR, "editor"),
        (COMMENTER, "commenter"),
        (VIEWER, "viewer"),
        (STRANGER, None),
        (UNVERIFIED, None),
    ],
)
def test_everybody_has_the_role_that_was_given_to_their_address(who: Person, role: Role | None) -> None:
    assert given(Document, CREATED, *SHARES).role_of(who) == role


def test_an_owner_needs_no_verified_address() -> None:
    assert given(Document, CREATED).role_of(person(1, address=0)) == "owner"


COMMANDS: dict[str, tuple[Role, Callable[[Document, Person], None]]] = {
    "change": ("editor", lambda document, by: change(document, title="Other", by=by)),
    "change nothing": ("editor", lambda document, by: change(document, by=by)),
    "publish": ("editor", lambda document, by: change(document, status="published", by=by)),
    "archive": ("editor", lambda document, by: change(document, status="archived", by=by)),
    "restore version": (
        "editor",
        lambda document, by: document.restore_version(given(Document, CREATED), by=by, now=NOW),
    ),
    "trash": ("owner", lambda document, by: document.trash(by=by, now=NOW)),
    "restore from trash": ("owner", lambda document, by: document.restore_from_trash(by=by, now=NOW)),
    "share": (
        "owner",
        lambda document, by: document.share(address_id=UUID(int=9), email=EMAIL, role="viewer", by=by, now=NOW),
    ),
    "change share": (
        "owner",
        lambda document, by: document.change_share(address_id=address_of(VIEWER), role="editor", by=by, now=NOW),
    ),
    "revoke share": (
        "owner",
        lambda document, by: document.revoke_share(address_id=address_of(VIEWER), by=by, now=NOW),
    ),
}
RANKING: list[Role] = ["viewer", "commenter", "editor", "owner"]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("who", [ADA, EDITOR, COMMENTER, VIEWER, STRANGER, UNVERIFIED], ids=str)
def test_a_role_does_what_it_may_and_nothing_else(name: str, who: Person) -> None:
    least, command = COMMANDS[name]
    document = given(Document, CREATED, *SHARES)
    role = document.role_of(who)
    refusal: type[Refusal] | None = None
    if role is None:
        refusal = NotFound
    elif RANKING.index(role) < RANKING.index(least):
        refusal = RoleTooLow
    if refusal is None:
        command(document, who)
        return
    with pytest.raises(refusal) as refused:
        command(document, who)
    assert type(refused.value) is refusal
    assert new_events(document) == []


def test_to_a_stranger_a_document_looks_as_if_it_were_not() -> None:
    with pytest.raises(NotFound) as refused:
        given(Document, CREATED).require("read", STRANGER)
    assert (refused.value.code, refused.value.detail) == ("not_found", "There is no such document.")


# Sharing


def test_a_document_is_shared_with_an_address_in_its_normal_form() -> None:
    document = given(Document, CREATED)
    share(document, address_of(EDITOR), "editor", email="BOB@example.org")
    assert new_events(document) == [shared(EDITOR, "editor")]
    assert document.role_of(EDITOR) == "editor"


def test_the_same_share_causes_no_event() -> None:
    document = given(Document, CREATED, *SHARES)
    share(document, address_of(EDITOR), "editor")
    document.change_share(address_id=address_of(EDITOR), role="editor", by=ADA, now=NOW)
    assert new_events(document) == []


def test_sharing_again_with_another_role_changes_the_share() -> None:
    changed = fact(Document.ShareChanged, address_id=VIEWER.address_id, role="commenter")
    again, changing = given(Document, CREATED, *SHARES), given(Document, CREATED, *SHARES)
    share(again, address_of(VIEWER), "commenter")
    changing.change_share(address_id=address_of(VIEWER), role="commenter", by=ADA, now=NOW)
    assert new_events(again) == new_events(changing) == [changed]
    assert again.role_of(VIEWER) == "commenter"


def test_a_revoked_share_gives_no_access_and_is_revoked_once() -> None:
    document = given(Document, CREATED, *SHARES)
    document.revoke_share(address_id=address_of(EDITOR), by=ADA, now=NOW)
    document.revoke_share(address_id=address_of(EDITOR), by=ADA, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=EDITOR.address_id)]
    assert document.role_of(EDITOR) is None


def test_only_a_share_can_be_changed() -> None:
    with pytest.raises(NoSuchShare):
        given(Document, CREATED).change_share(address_id=address_of(EDITOR), role="viewer", by=ADA, now=NOW)


def test_an_owner_does_not_share_with_themselves() -> None:
    with pytest.raises(SharedWithOneself):
        share(given(Document, CREATED), address_of(ADA))


def test_a_share_needs_an_address() -> None:
    with pytest.raises(UnusableEmail):
        share(given(Document, CREATED), address_of(EDITOR), email="bob")


def test_shares_are_bounded() -> None:
    document = given(Document, CREATED)
    for number in range(MAX_SHARES):
        share(document, UUID(int=number))
    with pytest.raises(TooManyShares):
        share(document, UUID(int=MAX_SHARES))
    share(document, UUID(int=0), "editor")


def test_a_document_remembers_no_address_of_others() -> None:
    document = given(Document, CREATED)
    share(document, address_of(EDITOR), "editor")
    assert EMAIL not in repr(state(document))


def test_an_erased_document_exists_for_no_one_and_is_erased_once() -> None:
    document = Document.create(id=ID, owner_id=UUID(int=1), title="A", content="", now=NOW)
    document.share(address_id=UUID(int=9), email="a@example.org", role="viewer", by=person(1), now=NOW)
    document.collect_events()
    document.erase(now=NOW)
    document.erase(now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=UUID(int=9)), fact(Document.Erased)]
    assert document.role_of(person(1)) is None
