"""Integration events of folders: none."""

from adapters.integration_events.kernel import keep_private
from domain.content.folder import FolderTree

for event_class in (
    FolderTree.Started,
    FolderTree.FolderCreated,
    FolderTree.FolderRenamed,
    FolderTree.FolderMoved,
    FolderTree.FolderDeleted,
    FolderTree.Erased,
):
    keep_private(event_class, "how a person sorts documents concerns no other person")
