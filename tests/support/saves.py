"""Events of documents in tests: the creation and saves, with what follows from their texts."""

from collections.abc import Sequence
from uuid import UUID

from domain.content import delta
from domain.content.document import Document, Status
from domain.kernel import ERASED
from tests.support.given import Fact, fact


def created(title: str, content: str, owner_id: UUID) -> Fact:
    """Return the creation of a document."""
    return fact(
        Document.Created,
        title=title,
        title_length=len(title),
        content=content,
        content_length=len(content),
        owner_kind="user",
        owner_id=owner_id,
    )


def saved(
    revision: int,
    *,
    title: str | None = None,
    steps: Sequence[int | str] = (),
    content_length: int | None = None,
    status: Status | None = None,
    restored_revision: int | None = None,
) -> Fact:
    """Return a save. `steps`: of the delta; they come with `content_length`."""
    assert bool(steps) == (content_length is not None)
    inserted, deleted = delta.count([*steps])
    return fact(
        Document.Saved,
        revision=revision,
        title=title,
        title_length=None if title is None else len(title),
        delta=[*steps],
        delta_format=delta.FORMAT,
        content_length=content_length,
        inserted=inserted,
        deleted=deleted,
        status=status,
        restored_revision=restored_revision,
    )


def erased(happened: Fact) -> Fact:
    """Return an event of a document as it reads once the document's key is destroyed."""
    texts = {"title": ERASED, "content": ERASED, "delta": []}
    return Fact(happened.kind, {name: texts.get(name, value) for name, value in happened.fields.items()})
