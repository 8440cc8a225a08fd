"""Loads aggregates that may never have begun."""

from uuid import UUID

from application.ports import A, Store
from domain.kernel import NotFound


async def find(store: Store, kind: type[A], id: UUID) -> A | None:
    """Return the aggregate; None: its stream has not begun, or does not exist for the actor."""
    try:
        return await store.get(kind, id)
    except NotFound:
        return None
