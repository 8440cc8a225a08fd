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
from domain.content.folder import FOLDER, NAME_LENGTH

router = Router("/v1/folders", tag=Tag("folders", "A tree of folders in which a user keeps documents."))

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
    "", response_model=FolderTreeView, **operation("The folders.", access=FOLDER.action("read"), takes=CONDITIONS)
)
async def list_folders(read: Read) -> Answer:
    """List all of one's own folders in the order of the tree. Never stale: read from the event log."""
    return read.one(await folders(read.history, read.actor))


@router.post(
    "",
    response_model=CreatedFolder,
    **operation("The id of the new folder.", access=FOLDER.action("change"), takes=KEYED, fails=[404], status=201),
)
async def create_folder(body: NewFolder, send: Send) -> Answer:
    """Create a folder, as the last one in the folder that it is in. There are at most 1,000."""
    return await send(CreateFolder(name=body.name, parent_id=body.parent_id), at="/v1/folders/{}")


@router.get(
    "/{folder_id}",
    response_model=FolderPathView,
    **operation("The folder and its path.", access=FOLDER.action("read"), takes=CONDITIONS),
)
async def get_folder(folder_id: UUID, read: Read) -> Answer:
    """Get a folder with the folders above it, the topmost first. Never stale: read from the event log."""
    return read.one(await folder(read.history, read.actor, folder_id))


@router.put(
    "/{folder_id}", **operation("The folder is renamed.", access=FOLDER.action("change"), takes=KEYED, status=204)
)
async def rename_folder(folder_id: UUID, body: FolderName, send: Send) -> Answer:
    """Rename a folder."""
    return await send(RenameFolder(id=folder_id, name=body.name))


@router.post(
    "/{folder_id}/move", **operation("The folder is moved.", access=FOLDER.action("change"), takes=KEYED, status=204)
)
async def move_folder(folder_id: UUID, body: FolderPlace, send: Send) -> Answer:
    """Move a folder with everything in it, to another folder or among its siblings. No folder can be inside itself.

    Of two simultaneous moves that would make a circle, one is refused.
    """
    return await send(MoveFolder(id=folder_id, parent_id=body.parent_id, before_id=body.before_id))


@router.delete(
    "/{folder_id}", **operation("The folder is deleted.", access=FOLDER.action("change"), takes=KEYED, status=204)
)
async def delete_folder(folder_id: UUID, send: Send) -> Answer:
    """Delete a folder. The folders and documents in it are then in the folder above it."""
    return await send(DeleteFolder(id=folder_id))
