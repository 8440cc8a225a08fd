"""Folders of a team: its members see them, its editors change them, and its documents are in no others."""

from dataclasses import replace

import pytest

from application.content.bulk import ChangeDocuments
from application.content.document import CreateDocument, ShareDocument
from application.content.filing import FileDocument, document_filing
from application.content.folder import (
    CreateFolder,
    DeleteFolder,
    MoveFolder,
    RenameFolder,
    folder,
    folders,
    folders_of_list,
)
from application.teams.dissolution import DissolveTeam
from application.teams.team import RemoveMember
from domain.kernel import NotFound
from tests.support.crew import EDITORS, READERS, Crew, open_crew
from tests.support.given import NOW


@pytest.fixture
async def crew() -> Crew:
    """A team with a member of each role, and a stranger."""
    return await open_crew()


async def seen_by(crew: Crew, who: str) -> list[str]:
    """The names of the team's folders, as a person sees them."""
    tree = await folders(crew.runner.store, replace(crew.people[who], lent={}), crew.id)
    return [each.name for each in tree.items]


async def test_members_see_the_folders_and_editors_change_them(crew: Crew) -> None:
    made = await crew.runner.ask(CreateFolder(name="Rivers", team_id=crew.id), crew.people["editor"])
    for command in (
        CreateFolder(name="Lakes", team_id=crew.id),
        RenameFolder(id=made.id, name="Waters", team_id=crew.id),
        MoveFolder(id=made.id, parent_id=None, team_id=crew.id),
    ):
        assert await crew.outcomes(command) == EDITORS
    for who, said in READERS.items():
        if said == "done":
            assert (await seen_by(crew, who))[-1] == "Waters"
        else:
            with pytest.raises(NotFound):
                await seen_by(crew, who)
            with pytest.raises(NotFound):
                await folder(crew.runner.store, crew.people[who], made.id, crew.id)
    assert await crew.outcomes(DeleteFolder(id=made.id, team_id=crew.id)) == EDITORS


async def test_a_team_without_folders_shows_none_and_strangers_see_no_difference(crew: Crew) -> None:
    assert await seen_by(crew, "viewer") == []
    with pytest.raises(NotFound) as one:
        await seen_by(crew, "stranger")
    with pytest.raises(NotFound) as other:
        await folders(crew.runner.store, crew.people["stranger"], crew.people["owner"].user_id)
    assert one.value.detail == other.value.detail


async def test_editors_file_a_document_of_the_team_in_its_folders_only(crew: Crew) -> None:
    id, editor = (await crew.write()).id, crew.people["editor"]
    of_team = (await crew.runner.ask(CreateFolder(name="Rivers", team_id=crew.id), editor)).id
    of_editor = (await crew.runner.ask(CreateFolder(name="Own"), editor)).id
    own = (await crew.runner.ask(CreateDocument(title="Own"), editor)).id
    assert await crew.outcomes(FileDocument(id=id, folder_id=of_team)) == EDITORS
    assert await crew.does("editor", FileDocument(id=id, folder_id=of_editor)) == "not found"
    assert await crew.does("editor", FileDocument(id=own, folder_id=of_team)) == "not found"
    batch = ChangeDocuments(ids=[id, own], action="move", folder_id=of_team)
    assert (await crew.runner.ask(batch, editor)).outcomes == ["done", "no_such_folder"]
    batch = ChangeDocuments(ids=[id, own], action="move", folder_id=of_editor)
    assert (await crew.runner.ask(batch, editor)).outcomes == ["no_such_folder", "done"]
    for who in ("viewer", "owner"):
        found = await document_filing(crew.runner.store, crew.people[who], id, NOW)
        assert found.view.folder_id == of_team
    inside = await folders_of_list(crew.runner.store, crew.people["viewer"], of_team, crew.id)
    assert inside.inside == [of_team]


async def test_who_edits_a_document_by_a_share_sees_and_chooses_no_folder_of_the_team(crew: Crew) -> None:
    id, owner = (await crew.write()).id, crew.people["owner"]
    of_team = (await crew.runner.ask(CreateFolder(name="Rivers", team_id=crew.id), owner)).id
    await crew.runner.ask(FileDocument(id=id, folder_id=of_team), owner)
    await crew.runner.ask(ShareDocument(id=id, email="stranger@example.org", role="editor"), owner)
    found = await document_filing(crew.runner.store, crew.people["stranger"], id, NOW)
    assert found.view.folder_id is None
    for folder_id in (of_team, None):
        assert await crew.does("stranger", FileDocument(id=id, folder_id=folder_id)) == "not found"


async def test_who_is_removed_or_in_a_team_about_to_end_changes_no_folders(crew: Crew) -> None:
    await crew.runner.ask(RemoveMember(id=crew.id, user_id=crew.people["editor"].user_id), crew.people["owner"])
    assert await crew.does("editor", CreateFolder(name="Rivers", team_id=crew.id)) == "not found"
    await crew.runner.ask(DissolveTeam(id=crew.id), crew.people["owner"])
    assert await crew.does("owner", CreateFolder(name="Rivers", team_id=crew.id)) == "role_too_low"
    assert await seen_by(crew, "owner") == []
