"""HTTP for folders: parse, send, answer."""

from typing import Annotated
from uuid import UUID

from pydantic import Field

from adapters.http.api.commands import Send
from adapters.http.api.openapi import CONDITIONS, KEYED, operation
from adapters.http.api.queries import Read
from adapters.http.api.responses import Answer
from adapters.http.api.routers import Router, Tag
from adapters.http.api.schemas import Body
from application.content.folder import (
    CreatedFolder,
    CreateFolder,
    DeleteFolder,
    FolderPathView,
    FolderTreeView,
    MoveFolder,
    RenameFolder,
    folder,
    folders,
)
from domain.content.folder import FOLDER, NAME_LENGTH, TEAM_FOLDER

router = Router("/v1", tag=Tag("folders", "Trees of folders in which users and teams keep documents."))

FolderNameText = Annotated[str, Field(min_length=1, max_length=NAME_LENGTH, examples=["Novels"])]


class NewFolder(Body):
    """A new folder. `parent_id`: the folder that it is in; null: it is at the top."""

    name: FolderNameText
    parent_id: UUID | None = None


class FolderName(Body):
    """The new name of a folder."""

    name: FolderNameText


class FolderPlace(Body):
    """The new position of a folder. `parent_id`: null is the top. `before_id`: the next sibling; null is the end."""

    parent_id: UUID | None
    before_id: UUID | None = None


@router.get(
    "/folders",
    response_model=FolderTreeView,
    **operation("The folders.", access=FOLDER.action("read"), takes=CONDITIONS),
)
async def list_folders(read: Read) -> Answer:
    """List all of one's own folders in the order of the tree. Never stale: read from the event log."""
    return read.one(await folders(read.history, read.actor))


@router.post(
    "/folders",
    response_model=CreatedFolder,
    **operation("The id of the new folder.", access=FOLDER.action("change"), takes=KEYED, fails=[404], status=201),
)
async def create_folder(body: NewFolder, send: Send) -> Answer:
    """Create a folder, as the last one in the folder that it is in. There are at most 1,000."""
    return await send(CreateFolder(name=body.name, parent_id=body.parent_id), at="/v1/folders/{}")


@router.get(
    "/folders/{folder_id}",
    response_model=FolderPathView,
    **operation("The folder and its path.", access=FOLDER.action("read"), takes=CONDITIONS),
)
async def get_folder(folder_id: UUID, read: Read) -> Answer:
    """Get a folder with the folders above it, the topmost first. Never stale: read from the event log."""
    return read.one(await folder(read.history, read.actor, folder_id))


@router.put(
    "/folders/{folder_id}",
    **operation("The folder is renamed.", access=FOLDER.action("change"), takes=KEYED, status=204),
)
async def rename_folder(folder_id: UUID, body: FolderName, send: Send) -> Answer:
    """Rename a folder."""
    return await send(RenameFolder(id=folder_id, name=body.name))


@router.post(
    "/folders/{folder_id}/move",
    **operation("The folder is moved.", access=FOLDER.action("change"), takes=KEYED, status=204),
)
async def move_folder(folder_id: UUID, body: FolderPlace, send: Send) -> Answer:
    """Move a folder with everything in it, to another folder or among its siblings. No folder can be inside itself.

    Of two simultaneous moves that would make a circle, one is refused.
    """
    return await send(MoveFolder(id=folder_id, parent_id=body.parent_id, before_id=body.before_id))


@router.delete(
    "/folders/{folder_id}",
    **operation("The folder is deleted.", access=FOLDER.action("change"), takes=KEYED, status=204),
)
async def delete_folder(folder_id: UUID, send: Send) -> Answer:
    """Delete a folder. The folders and documents in it are then in the folder above it."""
    return await send(DeleteFolder(id=folder_id))


@router.get(
    "/teams/{team_id}/folders",
    response_model=FolderTreeView,
    **operation("The folders.", access=TEAM_FOLDER.action("read"), takes=CONDITIONS),
)
async def list_team_folders(team_id: UUID, read: Read) -> Answer:
    """List all folders of a team in the order of the tree. Requires the viewer role of the team.

    Never stale: read from the event log.
    """
    return read.one(await folders(read.history, read.actor, team_id))


@router.post(
    "/teams/{team_id}/folders",
    response_model=CreatedFolder,
    **operation("The id of the new folder.", access=TEAM_FOLDER.action("change"), takes=KEYED, status=201),
)
async def create_team_folder(team_id: UUID, body: NewFolder, send: Send) -> Answer:
    """Create a folder of a team, as the last one in the folder that it is in. Requires the editor role of the team."""
    command = CreateFolder(name=body.name, parent_id=body.parent_id, team_id=team_id)
    return await send(command, at=f"/v1/teams/{team_id}/folders/{{}}")


@router.get(
    "/teams/{team_id}/folders/{folder_id}",
    response_model=FolderPathView,
    **operation("The folder and its path.", access=TEAM_FOLDER.action("read"), takes=CONDITIONS),
)
async def get_team_folder(team_id: UUID, folder_id: UUID, read: Read) -> Answer:
    """Get a folder of a team with the folders above it, the topmost first. Requires the viewer role of the team.

    Never stale: read from the event log.
    """
    return read.one(await folder(read.history, read.actor, folder_id, team_id))


@router.put(
    "/teams/{team_id}/folders/{folder_id}",
    **operation("The folder is renamed.", access=TEAM_FOLDER.action("change"), takes=KEYED, status=204),
)
async def rename_team_folder(team_id: UUID, folder_id: UUID, body: FolderName, send: Send) -> Answer:
    """Rename a folder of a team. Requires the editor role of the team."""
    return await send(RenameFolder(id=folder_id, name=body.name, team_id=team_id))


@router.post(
    "/teams/{team_id}/folders/{folder_id}/move",
    **operation("The folder is moved.", access=TEAM_FOLDER.action("change"), takes=KEYED, status=204),
)
async def move_team_folder(team_id: UUID, folder_id: UUID, body: FolderPlace, send: Send) -> Answer:
    """Move a folder of a team with everything in it. Requires the editor role of the team."""
    return await send(MoveFolder(id=folder_id, team_id=team_id, **body.model_dump()))


@router.delete(
    "/teams/{team_id}/folders/{folder_id}",
    **operation("The folder is deleted.", access=TEAM_FOLDER.action("change"), takes=KEYED, status=204),
)
async def delete_team_folder(team_id: UUID, folder_id: UUID, send: Send) -> Answer:
    """Delete a folder of a team. What is in it is then in the folder above it. Requires the editor role of the team."""
    return await send(DeleteFolder(id=folder_id, team_id=team_id))
