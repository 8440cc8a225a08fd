"""Loads aggregates that may never have begun."""

from uuid import UUID

from application.ports import A, Store
from domain.kernel import NotFound


async def find(store: Store, kind: type[A], id: UUID, *, version: int | None = None) -> A | None:
    """Return the aggregate, or as it was at `version`; None: there is none, or it does not exist for the actor."""
    try:
        return await store.get(kind, id, version=version)
    except NotFound:
        return None
