"""The life of a tree of folders."""

from uuid import UUID

from domain.content.folder import FolderTree
from domain.kernel import Party
from tests.support.given import NOW
from tests.support.lives.kernel import ADA, LATER, life

A, B, C = UUID(int=0xA), UUID(int=0xB), UUID(int=0xC)


@life
def folder_tree() -> FolderTree:
    """Three folders, renamed, moved, deleted; then erased."""
    tree = FolderTree.start(Party("user", ADA.user_id), now=NOW)
    for folder_id, name, parent_id in ((A, "Novels", None), (B, "Drafts", A), (C, "Letters", None)):
        tree.create(folder_id=folder_id, name=name, parent_id=parent_id, by=ADA, now=LATER)
    tree.rename(B, "Old drafts", by=ADA, now=LATER)
    tree.move(C, parent_id=None, before_id=A, by=ADA, now=LATER)
    tree.delete(A, by=ADA, now=LATER)
    tree.erase(now=LATER)
    return tree
