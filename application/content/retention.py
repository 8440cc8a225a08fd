"""Which versions the plan of a document's owner shows, as the event log has it."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports import A
from domain.billing.subscription import Subscription, history_of
from domain.content.document import Document
from domain.content.retention import ShownHistory


class Load(Protocol):
    """Loads an aggregate, the current one or as it was at `version`; None: there is none."""

    async def __call__(self, kind: type[A], id: UUID, *, version: int | None = None) -> A | None: ...


async def require_shown(load: Load, document: Document, version: int, now: datetime) -> None:
    """Refuse a version of a document, the current one of the log, that the plan of its owner hides.

    Raises:
        NotFound: the document has no such version.
        VersionHidden: the plan hides it.
    """
    document.version_of(version)
    subscription = await load(Subscription, Subscription.id_of(document.owner))
    shown = ShownHistory(history_of(None if subscription is None else subscription.plan), now)
    if shown.since is None or version == document.revision:
        return
    following = await load(Document, document.id, version=document.version_of(version + 1))
    assert following is not None
    named = version in document.version_names
    shown.require(version, named=named, replaced_at=following.saved_at)
