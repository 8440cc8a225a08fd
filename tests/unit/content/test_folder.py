"""Folders: a tree without circles, from which nothing is lost."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from application.content.document import CreateDocument
from application.content.filing import FileDocument, document_filing
from application.content.folder import (
    CreateFolder,
    DeleteFolder,
    FolderView,
    MoveFolder,
    RenameFolder,
    folder,
    folders,
)
from application.privacy.erasure import EraseUser
from domain.content import folder as rules
from domain.content.folder import FolderTree
from domain.content.refusals import FolderInItself, NoSuchFolder, TooManyFolders
from domain.kernel import NotFound, Party, Refusal
from domain.text import UnusableText
from tests.support.given import NOW, new_events, person, replayed, state
from tests.support.use_cases import CommandRunner

ADA, BOB = person(1), person(2)
A, B, C, D = (UUID(int=number) for number in range(0xA, 0xE))


def tree(**parents: UUID | None) -> FolderTree:
    """Ada's tree with these folders: their parents by their names, A to D."""
    one = FolderTree.start(Party("user", ADA.user_id), now=NOW)
    for name, parent_id in parents.items():
        one.create(folder_id=UUID(name.rjust(32, "0")), name=name, parent_id=parent_id, by=ADA, now=NOW)
    return one


def test_a_folder_is_listed_before_the_folders_in_it() -> None:
    one = tree(a=None, c=None, b=A, d=B)
    assert one.listed() == [A, B, D, C]
    assert one.path_of(D) == [A, B, D]


def test_a_folder_moves_before_another_or_to_the_end() -> None:
    one = tree(a=None, b=None, c=None)
    one.move(C, parent_id=None, before_id=A, by=ADA, now=NOW)
    assert one.children(None) == [C, A, B]
    one.move(C, parent_id=None, before_id=None, by=ADA, now=NOW)
    assert one.children(None) == [A, B, C]
    one.move(C, parent_id=A, before_id=None, by=ADA, now=NOW)
    assert (one.children(None), one.children(A)) == ([A, B], [C])


def test_what_changes_nothing_causes_no_event() -> None:
    one = tree(a=None, b=None)
    before = new_events(one)
    one.rename(A, " a ", by=ADA, now=NOW)
    one.move(B, parent_id=None, before_id=None, by=ADA, now=NOW)
    one.move(A, parent_id=None, before_id=B, by=ADA, now=NOW)
    assert new_events(one) == before


def test_a_folder_is_never_in_itself() -> None:
    one = tree(a=None, b=A, c=B)
    for inside in (A, B, C):
        with pytest.raises(FolderInItself):
            one.move(A, parent_id=inside, before_id=None, by=ADA, now=NOW)


def test_a_folder_is_not_before_one_that_is_elsewhere() -> None:
    one = tree(a=None, b=A, c=None)
    for before_id in (B, C, UUID(int=9)):
        with pytest.raises(NoSuchFolder):
            one.move(C, parent_id=None, before_id=before_id, by=ADA, now=NOW)


def test_what_was_in_a_deleted_folder_is_in_the_one_above_it() -> None:
    one = tree(a=None, b=A, c=B)
    one.delete(B, by=ADA, now=NOW)
    assert (one.children(A), one.folder_now(B)) == ([C], A)
    one.delete(A, by=ADA, now=NOW)
    assert (one.children(None), one.folder_now(B), one.folder_now(C)) == ([C], None, C)
    one.delete(A, by=ADA, now=NOW)
    assert one.folder_now(UUID(int=9)) is None


def test_folders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_FOLDERS", 2)
    monkeypatch.setattr(rules, "MAX_DELETED", 1)
    one = tree(a=None, b=None)
    with pytest.raises(TooManyFolders):
        one.create(folder_id=C, name="C", parent_id=None, by=ADA, now=NOW)
    one.delete(A, by=ADA, now=NOW)
    with pytest.raises(TooManyFolders):
        one.delete(B, by=ADA, now=NOW)


def test_folders_of_another_person_do_not_exist() -> None:
    one = tree(a=None)
    with pytest.raises(NotFound):
        one.create(folder_id=B, name="B", parent_id=None, by=BOB, now=NOW)
    with pytest.raises(NotFound):
        one.rename(A, "B", by=BOB, now=NOW)
    with pytest.raises(NotFound):
        one.move(A, parent_id=None, before_id=None, by=BOB, now=NOW)
    with pytest.raises(NotFound):
        one.delete(A, by=BOB, now=NOW)
    assert tree(a=None).role_of(ADA) == "oneself"
    one.erase(now=NOW)
    assert one.role_of(ADA) is None


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_a_name_is_one_line(name: str) -> None:
    with pytest.raises(UnusableText):
        tree().create(folder_id=A, name=name, parent_id=None, by=ADA, now=NOW)


@for_all(st.data())
def test_after_any_changes_every_folder_is_listed_once_and_every_place_has_a_folder(data: st.DataObject) -> None:
    one = tree(a=None, b=None, c=None, d=None)
    ids = [A, B, C, D]
    for _ in range(data.draw(st.integers(1, 12))):
        folder_id, other = data.draw(st.sampled_from(ids)), data.draw(st.sampled_from([*ids, None]))
        before_id = data.draw(st.sampled_from([*ids, None]))
        try:
            if data.draw(st.integers(0, 5)):
                one.move(folder_id, parent_id=other, before_id=before_id, by=ADA, now=NOW)
            else:
                one.delete(folder_id, by=ADA, now=NOW)
        except Refusal:
            continue
    assert sorted(one.listed()) == sorted(one.order) == sorted(one.parents) == sorted(one.names)
    assert all(one.folder_now(each) in {*one.order, None} for each in ids)
    assert one.places() == {each: one.folder_now(each) for each in ids}
    assert state(replayed(one)) == state(one)


async def test_two_moves_at_once_make_no_circle() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    one, two = [await runner.ask(CreateFolder(name=name), ada) for name in ("one", "two")]
    moves = [MoveFolder(id=one.id, parent_id=two.id), MoveFolder(id=two.id, parent_id=one.id)]
    outcomes = await asyncio.gather(*(runner.ask(each, ada) for each in moves), return_exceptions=True)
    assert [type(each) for each in outcomes if each is not None] == [FolderInItself]
    assert len((await folders(runner.store, ada)).items) == 2


async def test_the_first_two_folders_at_once_are_in_one_tree() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    await asyncio.gather(*(runner.ask(CreateFolder(name=name), ada) for name in ("one", "two")))
    listed = await folders(runner.store, ada)
    assert sorted(each.name for each in listed.items) == ["one", "two"]


async def test_folders_are_changed_and_read_with_their_path() -> None:
    runner = CommandRunner()
    ada, bob = await runner.actor("ada@example.org"), await runner.actor("bob@example.org")
    assert (await folders(runner.store, ada)).items == []
    top = await runner.ask(CreateFolder(name="Novels"), ada)
    inner = await runner.ask(CreateFolder(name="Drafts", parent_id=top.id), ada)
    await runner.ask(RenameFolder(id=top.id, name="Books"), ada)
    renamed, inner_view = FolderView(top.id, None, "Books"), FolderView(inner.id, top.id, "Drafts")
    assert (await folder(runner.store, ada, inner.id)).path == [renamed, inner_view]
    assert (await folders(runner.store, ada)).items == [renamed, inner_view]
    for reader, id in ((bob, inner.id), (ada, UUID(int=9))):
        with pytest.raises(NotFound):
            await folder(runner.store, reader, id)
    with pytest.raises(NoSuchFolder):
        await runner.ask(RenameFolder(id=top.id, name="Mine"), bob)
    with pytest.raises(NoSuchFolder):
        await runner.ask(DeleteFolder(id=top.id), bob)
    await runner.ask(DeleteFolder(id=top.id), ada)
    assert [each.parent_id for each in (await folders(runner.store, ada)).items] == [None]


async def test_a_document_in_a_deleted_folder_is_in_the_one_above_it() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    document = await runner.ask(CreateDocument(title="Notes"), ada)
    top = await runner.ask(CreateFolder(name="Novels"), ada)
    inner = await runner.ask(CreateFolder(name="Drafts", parent_id=top.id), ada)
    await runner.ask(FileDocument(id=document.id, folder_id=inner.id), ada)
    for deleted, expected in ((inner.id, top.id), (top.id, None)):
        await runner.ask(DeleteFolder(id=deleted), ada)
        read = await document_filing(runner.store, ada, document.id, NOW)
        assert read.view.folder_id == expected


async def test_folders_are_erased_with_their_owner() -> None:
    runner = CommandRunner()
    ada = await runner.actor("ada@example.org")
    await runner.ask(CreateFolder(name="Secrets"), ada)
    while not (await runner.ask(EraseUser(id=ada.user_id))).complete:
        pass
    assert "folder_tree.erased" in runner.happened()
    assert (await folders(runner.store, ada)).items == []
    with pytest.raises(NotFound):
        await runner.ask(CreateFolder(name="More"), ada)
