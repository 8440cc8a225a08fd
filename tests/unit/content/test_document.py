"""Documents: texts with a history, and who may do what with them."""

from collections.abc import Callable
from contextlib import suppress
from uuid import UUID

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from application.ports import Actor
from domain.access import AddressNotVerified, Person, RoleTooLow
from domain.content import delta, sharing
from domain.content.document import Document, Status
from domain.content.erasure import erase_document
from domain.content.refusals import (
    DocumentIsArchived,
    DocumentIsTrashed,
    NoLongerADraft,
    NoSuchShare,
    OwnerHasNoShare,
    SharedWithOneself,
    TooManyShares,
)
from domain.content.roles import Role, ShareRole
from domain.content.sharing import MAX_SHARES
from domain.content.texts import CONTENT_LENGTH
from domain.kernel import ERASED, NotFound, Party, Refusal
from domain.text import UnusableEmail, UnusableText
from tests.support.access_steps import step_of_document
from tests.support.given import ID, NOW, Fact, address_of, fact, given, new_events, person, replayed, state
from tests.support.saves import created, erased, saved

ADA, EDITOR, COMMENTER, VIEWER, STRANGER = map(person, range(1, 6))
UNVERIFIED = person(6, address=0)

CREATED = created("Title", "one two three", ADA.user_id)
OTHER = created("Other title", "one", ADA.user_id)
PUBLISHED = saved(2, status="published")
ARCHIVED = saved(2, status="archived")
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
    sharing.share(document, address_id=address_id, email=email, role=role, by=ADA, now=NOW)


# Writing


def test_a_new_document_is_its_owners_draft() -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title=" Title ", content="one two three", now=NOW)
    assert new_events(document) == [CREATED]
    assert (document.title, document.content, document.status) == ("Title", "one two three", "draft")
    assert (document.owner, document.trashed_at, document.shares) == (Party("user", ADA.user_id), None, {})


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
    assert new_events(document) == [saved(2, steps=[4, -3, "2"], content_length=11)]
    assert document.content == "one 2 three"


def test_a_save_is_one_event_and_one_revision_whatever_it_changes() -> None:
    document = given(Document, CREATED)
    change(document, title="Other", content="one two three four", status="published")
    assert new_events(document) == [saved(2, title="Other", steps=[13, " four"], content_length=18, status="published")]
    assert (document.title, document.content, document.status) == ("Other", "one two three four", "published")
    assert document.revision == 2


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
        ([PUBLISHED], "archived", [saved(3, status="archived")]),
        ([ARCHIVED], "published", [saved(3, status="published")]),
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
    out = given(Document, CREATED, ARCHIVED)
    change(out, title="Other", status="published")
    assert new_events(out) == [saved(3, title="Other", status="published")]
    into = given(Document, CREATED)
    change(into, title="Other", status="archived")
    assert new_events(into) == [saved(2, title="Other", status="archived")]


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
        lambda document: sharing.change_share(document, address_id=address_of(VIEWER), role="editor", by=ADA, now=NOW),
    ],
    ids=["change", "same", "restore", "share", "change_share"],
)
def test_in_the_trash_nothing_changes(command: Callable[[Document], None]) -> None:
    document = given(Document, CREATED, *SHARES, saved(2, title="Later"), TRASHED)
    with pytest.raises(DocumentIsTrashed):
        command(document)
    assert new_events(document) == []


def test_a_share_is_revoked_even_in_the_trash() -> None:
    document = given(Document, CREATED, *SHARES, TRASHED)
    sharing.revoke_share(document, address_id=address_of(VIEWER), by=ADA, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=VIEWER.address_id)]


# Revisions


def test_an_old_revision_comes_back_as_a_new_one() -> None:
    past = [CREATED, saved(2, title="Other", steps=[4, -3, "2"], content_length=11), saved(3, status="published")]
    document = given(Document, *past)
    document.restore_version(given(Document, *past[:1]), by=ADA, now=NOW)
    restored = saved(4, title="Title", steps=[4, -1, "two"], content_length=13, restored_revision=1)
    assert new_events(document) == [restored]
    assert (document.title, document.content) == ("Title", "one two three")
    assert (document.status, document.revision) == ("published", 4)


def test_a_revision_like_the_current_one_causes_no_event() -> None:
    document = given(Document, CREATED, PUBLISHED)
    document.restore_version(given(Document, CREATED), by=ADA, now=NOW)
    assert new_events(document) == []


def test_an_archived_document_takes_no_old_revision() -> None:
    document = given(Document, CREATED, saved(2, title="Other"), saved(3, status="archived"))
    with pytest.raises(DocumentIsArchived):
        document.restore_version(given(Document, CREATED), by=ADA, now=NOW)


TEXTS = st.text(alphabet="ab\n😀", max_size=40)


Step = tuple[str, str, Status]
STEPS = st.tuples(
    st.sampled_from(["save", "share", "revoke", "trash"]),
    TEXTS,
    st.sampled_from(["draft", "published", "archived"]),
)
"""What happens, the text (its length makes the title) and the status of a save."""


def live(steps: list[Step]) -> tuple[Document, list[tuple[str, str, Status]]]:
    """Return a document after these steps, and what each save left: title, content and status."""
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Title", content="", now=NOW)
    saves: list[tuple[str, str, Status]] = [("Title", "", "draft")]
    for what, text, status in steps:
        match what:
            case "share":
                share(document, UUID(int=len(text)))
            case "revoke":
                sharing.revoke_share(document, address_id=UUID(int=len(text)), by=ADA, now=NOW)
            case "trash":
                document.trash(by=ADA, now=NOW)
                document.restore_from_trash(by=ADA, now=NOW)
            case _:
                wanted = f"{len(text)} characters", text, status
                with suppress(NoLongerADraft, DocumentIsArchived):
                    document.change(title=wanted[0], content=text, status=status, by=ADA, now=NOW)
                    saves += [wanted] if wanted != saves[-1] else []
    return document, saves


@forall(st.lists(STEPS, max_size=20))
def test_every_revision_is_what_one_save_left(steps: list[Step]) -> None:
    document, saves = live(steps)
    assert document.revision == len(saves)
    for revision, left in enumerate(saves, start=1):
        earlier = given(Document, *new_events(document)[: document.version_of(revision)])
        assert (earlier.title, earlier.content, earlier.status) == left
        assert earlier.revision == revision
        assert (earlier.title_length, earlier.content_length) == (len(left[0]), len(left[1]))
    assert state(replayed(document)) == state(document)


@forall(st.lists(STEPS, max_size=20), st.data())
def test_every_revision_can_be_restored(steps: list[Step], data: st.DataObject) -> None:
    document, saves = live(steps)
    title, content, _ = saves[data.draw(st.integers(1, len(saves))) - 1]
    earlier = Document.create(id=ID, owner_id=ADA.user_id, title=title, content=content, now=NOW)
    if document.status != "archived":
        document.restore_version(earlier, by=ADA, now=NOW)
        assert (document.title, document.content) == (title, content)


@pytest.mark.parametrize("revision", [-1, 0, 3])
def test_a_revision_that_is_not_is_not_found(revision: int) -> None:
    """Case 10: the refusal says which versions there are."""
    with pytest.raises(NotFound, match="has the versions 1 to 2;"):
        given(Document, CREATED, PUBLISHED, TRASHED).version_of(revision)


def test_sharing_and_trashing_are_no_revisions() -> None:
    document = given(Document, CREATED, *SHARES, PUBLISHED, TRASHED, fact(Document.RestoredFromTrash))
    assert (document.revision, document.version) == (2, 7)


def test_a_delta_of_another_format_is_an_error() -> None:
    edited = saved(2, steps=[1], content_length=13)
    foreign = Fact(edited.kind, {**edited.fields, "delta_format": "crdt/1"})
    with pytest.raises(delta.UnknownFormat, match="crdt/1"):
        given(Document, CREATED, foreign)


# Erasure


@forall(st.lists(STEPS, max_size=20))
def test_an_erased_history_replays_to_the_same_state_without_its_texts(steps: list[Step]) -> None:
    document, _ = live(steps)
    again = given(Document, *map(erased, new_events(document)))
    assert (again.title, again.content) == (ERASED, ERASED)
    texts = {"title", "content"}
    again.tenant = document.tenant
    assert {name: value for name, value in state(again).items() if name not in texts} == {
        name: value for name, value in state(document).items() if name not in texts
    }


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


def test_a_document_of_a_team_has_no_owner_among_users() -> None:
    by_team = {**CREATED.fields, "owner_kind": "team"}
    document = given(Document, Fact(Document.Created, by_team), *SHARES)
    assert document.owner == Party("team", ADA.user_id)
    assert [document.role_of(who) for who in (ADA, EDITOR)] == [None, "editor"]


def test_an_owner_needs_no_verified_address() -> None:
    assert given(Document, CREATED).role_of(person(1, address=0)) == "owner"


COMMANDS: dict[str, tuple[Role, type[Document.Event] | None, Callable[[Document, Person], None]]] = {
    "change": ("editor", Document.Saved, lambda document, by: change(document, title="Other", by=by)),
    "change nothing": ("editor", None, lambda document, by: change(document, by=by)),
    "publish": ("editor", Document.Saved, lambda document, by: change(document, status="published", by=by)),
    "archive": ("editor", Document.Saved, lambda document, by: change(document, status="archived", by=by)),
    "restore version": (
        "editor",
        Document.Saved,
        lambda document, by: document.restore_version(given(Document, OTHER), by=by, now=NOW),
    ),
    "trash": ("owner", Document.Trashed, lambda document, by: document.trash(by=by, now=NOW)),
    "restore from trash": ("owner", None, lambda document, by: document.restore_from_trash(by=by, now=NOW)),
    "share": (
        "owner",
        Document.Shared,
        lambda document, by: sharing.share(
            document, address_id=UUID(int=9), email=EMAIL, role="viewer", by=by, now=NOW
        ),
    ),
    "change share": (
        "owner",
        Document.ShareChanged,
        lambda document, by: sharing.change_share(
            document, address_id=address_of(VIEWER), role="editor", by=by, now=NOW
        ),
    ),
    "revoke share": (
        "owner",
        Document.ShareRevoked,
        lambda document, by: sharing.revoke_share(document, address_id=address_of(VIEWER), by=by, now=NOW),
    ),
}
"""The least role that may do it, the event that it causes (None: it causes none), and the command."""
RANKING: list[Role] = ["viewer", "commenter", "editor", "owner"]


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("who", [ADA, EDITOR, COMMENTER, VIEWER, STRANGER, UNVERIFIED], ids=str)
def test_a_role_does_what_it_may_and_nothing_else(name: str, who: Person) -> None:
    least, event, command = COMMANDS[name]
    document = given(Document, CREATED, *SHARES)
    role = document.role_of(who)
    refusal: type[Refusal] | None = None
    if role is None:
        refusal = NotFound
    elif RANKING.index(role) < RANKING.index(least):
        refusal = RoleTooLow
    if refusal is None:
        command(document, who)
        assert [each.kind for each in new_events(document)] == ([] if event is None else [event])
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
    sharing.change_share(document, address_id=address_of(EDITOR), role="editor", by=ADA, now=NOW)
    assert new_events(document) == []


def test_sharing_again_with_another_role_changes_the_share() -> None:
    changed = fact(Document.ShareChanged, address_id=VIEWER.address_id, role="commenter")
    again, changing = given(Document, CREATED, *SHARES), given(Document, CREATED, *SHARES)
    share(again, address_of(VIEWER), "commenter")
    sharing.change_share(changing, address_id=address_of(VIEWER), role="commenter", by=ADA, now=NOW)
    assert new_events(again) == new_events(changing) == [changed]
    assert again.role_of(VIEWER) == "commenter"


def test_a_revoked_share_gives_no_access_and_is_revoked_once() -> None:
    document = given(Document, CREATED, *SHARES)
    sharing.revoke_share(document, address_id=address_of(EDITOR), by=ADA, now=NOW)
    sharing.revoke_share(document, address_id=address_of(EDITOR), by=ADA, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=EDITOR.address_id)]
    assert document.role_of(EDITOR) is None


def bound(who: Person) -> Fact:
    return fact(Document.ShareBound, address_id=who.address_id, user_id=who.user_id)


MOVED = person(EDITOR.user_id.int, address=7)
"""The editor, after a change of address."""
HEIR = person(8, address=EDITOR.user_id.int)
"""The next holder of the editor's former address."""


def test_the_first_use_binds_a_share_to_the_user() -> None:
    document = given(Document, CREATED, *SHARES)
    sharing.bind_share(document, by=EDITOR, now=NOW)
    sharing.bind_share(document, by=EDITOR, now=NOW)
    assert new_events(document) == [bound(EDITOR)]
    assert document.role_of(EDITOR) == "editor"


def test_a_bound_share_stays_with_its_user_and_goes_to_no_later_holder_of_the_address() -> None:
    document = given(Document, CREATED, *SHARES, bound(EDITOR))
    assert [document.role_of(who) for who in (MOVED, Actor(EDITOR.user_id), HEIR)] == ["editor", "editor", None]
    with pytest.raises(NotFound):
        sharing.bind_share(document, by=HEIR, now=NOW)
    sharing.bind_share(document, by=MOVED, now=NOW)
    assert new_events(document) == []


def test_an_unused_share_goes_with_the_address() -> None:
    document = given(Document, CREATED, *SHARES)
    assert [document.role_of(who) for who in (MOVED, HEIR)] == [None, "editor"]


def test_of_several_shares_the_highest_role_counts() -> None:
    other = fact(Document.Shared, address_id=MOVED.address_id, email="bob@example.net", role="viewer")
    document = given(Document, CREATED, *SHARES, bound(EDITOR), other)
    assert [document.role_of(who) for who in (MOVED, EDITOR)] == ["editor", "editor"]
    sharing.bind_share(document, by=MOVED, now=NOW)
    sharing.revoke_share(document, address_id=address_of(EDITOR), by=ADA, now=NOW)
    assert [document.role_of(who) for who in (MOVED, EDITOR)] == ["viewer", "viewer"]


def test_the_owner_changes_and_revokes_a_bound_share_by_its_address() -> None:
    document = given(Document, CREATED, *SHARES, bound(EDITOR))
    share(document, address_of(EDITOR), "viewer")
    assert [document.role_of(who) for who in (MOVED, HEIR)] == ["viewer", None]
    sharing.revoke_share(document, address_id=address_of(EDITOR), by=ADA, now=NOW)
    assert [document.role_of(who) for who in (MOVED, HEIR)] == [None, None]
    share(document, address_of(EDITOR), "viewer")
    assert [document.role_of(who) for who in (MOVED, HEIR)] == [None, "viewer"]


def test_an_owner_uses_no_share() -> None:
    document = given(Document, CREATED, shared(ADA, "viewer"))
    sharing.bind_share(document, by=ADA, now=NOW)
    assert new_events(document) == []


USERS = [person(number, address=address) for number in range(1, 4) for address in (0, 1, 2)]
"""Three users, each without a verified address or as the holder of either of two addresses."""


@forall(st.data())
def test_a_bound_share_belongs_to_its_user_after_any_history(data: st.DataObject) -> None:
    document = Document.create(id=ID, owner_id=ADA.user_id, title="Title", content="", now=NOW)
    for _ in range(data.draw(st.integers(1, 20))):
        step_of_document(document, USERS, lambda choices: data.draw(st.sampled_from(choices)))
    for address_id, user_id in document.share_users.items():
        roles = {who: document.role_of(who) for who in USERS}
        assert all(roles[who] is not None for who in USERS if who.user_id == user_id)
        others = [who for who in USERS if who.user_id != user_id and who.address_id == address_id]
        assert all(roles[who] == roles[Actor(who.user_id)] for who in others)


@pytest.mark.parametrize("who", [EDITOR, MOVED], ids=["unused", "bound under a former address"])
def test_a_share_is_given_back_by_the_person_who_holds_it(who: Person) -> None:
    """Case 14: only the owner could end a share."""
    document = given(Document, CREATED, shared(EDITOR, "editor"), *([] if who is EDITOR else [bound(EDITOR)]), TRASHED)
    sharing.leave(document, by=who, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=EDITOR.address_id)]
    assert document.role_of(who) is None
    with pytest.raises(NotFound):
        sharing.leave(document, by=who, now=NOW)


def test_a_person_with_several_shares_gives_all_of_them_back() -> None:
    document = given(Document, CREATED, shared(EDITOR, "editor"), bound(EDITOR), shared(MOVED, "viewer"))
    sharing.leave(document, by=MOVED, now=NOW)
    assert document.shares == document.share_users == {}


def test_an_owner_cannot_leave() -> None:
    with pytest.raises(OwnerHasNoShare, match="move it to the trash"):
        sharing.leave(given(Document, CREATED, *SHARES), by=ADA, now=NOW)


def test_only_a_share_can_be_changed() -> None:
    with pytest.raises(NoSuchShare):
        sharing.change_share(given(Document, CREATED), address_id=address_of(EDITOR), role="viewer", by=ADA, now=NOW)


def test_a_share_takes_a_verified_address_of_ones_own() -> None:
    """Case 13: an owner shared in the name of an address that was not shown to be theirs."""
    document = given(Document, CREATED, shared(VIEWER, "viewer"))
    unverified = person(ADA.user_id.int, address=0)
    with pytest.raises(AddressNotVerified, match="Verify your own email address"):
        sharing.share(document, address_id=UUID(int=9), email=EMAIL, role="viewer", by=unverified, now=NOW)
    with pytest.raises(AddressNotVerified):
        sharing.change_share(document, address_id=address_of(VIEWER), role="editor", by=unverified, now=NOW)
    sharing.revoke_share(document, address_id=address_of(VIEWER), by=unverified, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=VIEWER.address_id)]


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
    sharing.share(document, address_id=UUID(int=9), email="a@example.org", role="viewer", by=person(1), now=NOW)
    document.collect_events()
    erase_document(document, now=NOW)
    erase_document(document, now=NOW)
    assert new_events(document) == [fact(Document.ShareRevoked, address_id=UUID(int=9)), fact(Document.Erased)]
    assert document.role_of(person(1)) is None
