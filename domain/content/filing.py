"""Where a document is kept: its folder, its tags, the archive, and its end in the trash.

Folder and tags are the document's, the same for all who read it (`domain/decisions/0007-folders-tags-and-stars.md`).
Filing is no save: it makes no revision. Archiving is one, since it changes the status.
"""

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from domain.access import Person
from domain.content.document import Document
from domain.content.erasure import erase_document
from domain.content.folder import require_on_folders
from domain.content.refusals import TooManyTags
from domain.content.saving import save
from domain.text import single_line

MAX_TAGS = 20
TAG_LENGTH = 50
TRASH_LIFETIME = timedelta(days=30)
"""How long a document can be restored from the trash. After that it is erased."""


def usable_tag(tag: str) -> str:
    """Return a tag in the form to store: lower case, so that one word is one tag.

    Raises:
        UnusableText: see `domain.text.single_line`.
    """
    return single_line(unicodedata.normalize("NFC", tag.lower()), "A tag", TAG_LENGTH)


def set_tags(document: Document, tags: Iterable[str], *, by: Person, now: datetime) -> None:
    """Give the document these tags, and no others. If it has them, there is no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        UnusableText: one of the tags is not valid.
        TooManyTags: there are more than `MAX_TAGS`.
        DocumentIsTrashed: the document is in the trash.
    """
    document.require_editable(by)
    wanted = sorted({tag if tag in document.tags else usable_tag(tag) for tag in tags})
    if len(wanted) > MAX_TAGS:
        raise TooManyTags(f"A document has at most {MAX_TAGS} tags; leave some out.")
    if wanted != document.tags:
        document.trigger_event(Document.Tagged, now=now, tags=wanted)


def right_to_file(document: Document) -> str:
    """Return the action (`domain.access.DOCUMENT`) of moving the document to a folder: in a team, editors do it."""
    return "file_in_team" if document.owner.kind == "team" else "file"


def file(document: Document, folder_id: UUID | None, *, by: Person, now: datetime) -> None:
    """Move the document to a folder of its owner, which exists; None: out of all folders.

    Raises:
        NotFound, RoleTooLow: the person is not the owner, or no editor in the team that is.
        DocumentIsTrashed: the document is in the trash.
    """
    document.require(right_to_file(document), by)
    require_on_folders(document.owner, "change", by)
    document.require_untrashed()
    if folder_id != document.folder_id:
        document.trigger_event(Document.Filed, now=now, folder_id=folder_id)


def archive(document: Document, *, by: Person, now: datetime) -> None:
    """Make the document read-only. An archived document causes no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        DocumentIsTrashed: the document is in the trash.
    """
    document.change(title=document.title, content=document.content, status="archived", by=by, now=now)


def unarchive(document: Document, *, by: Person, now: datetime) -> None:
    """Publish an archived document again, as it does not become a draft again. Another one causes no event.

    Raises:
        NotFound, RoleTooLow: the person may not edit the document.
        DocumentIsTrashed: the document is in the trash.
    """
    status = "published" if document.status == "archived" else document.status
    document.change(title=document.title, content=document.content, status=status, by=by, now=now)


def archive_unchanged(document: Document, since: datetime, *, now: datetime) -> None:
    """Archive a document that was not saved after `since`. No actor: the installation asks for it."""
    is_open = document.trashed_at is None and not document.erased and document.status != "archived"
    if is_open and document.saved_at <= since:
        save(document, document.title, document.content, "archived", now)


def erase_if_due(document: Document, *, now: datetime) -> None:
    """Erase a document whose time in the trash is over; others stay."""
    if document.trashed_at is not None and now >= document.trashed_at + TRASH_LIFETIME:
        erase_document(document, now=now)
