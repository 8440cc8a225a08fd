"""Names of people beside their ids. No row has a name: it is read from the event that has it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from uuid import UUID

from application.ports import ReadStore, StoredEvents
from projections.kernel import reads

T = TypeVar("T", bound=Any)

NAMED = "SELECT id, profile_version FROM read.user_profile WHERE id = ANY(%s) AND NOT hidden AND NOT closed"


@dataclass(frozen=True, slots=True)
class NamedUser:
    """A user, and the version of the event with their name."""

    id: UUID
    profile_version: int


@reads("user_profile")
async def names_of(rows: ReadStore, stored: StoredEvents, user_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the names of users whom the caller may see; those of erased and hidden users are missing."""
    if not user_ids:
        return {}
    found = await rows.all(NamedUser, NAMED, [[*user_ids]])
    events = await stored.events([(each.id, each.profile_version) for each in found])
    return {each.id: str(vars(event)["name"]) for each, event in zip(found, events, strict=True)}


@reads("user_profile")
async def with_names(
    rows: ReadStore, stored: StoredEvents | None, items: Iterable[T], *, ids: str, names: str
) -> list[T]:
    """Return views with the names of their users. `ids`, `names`: the fields of a view that have them.

    `stored`: None if no names are wanted.
    """
    views = [*items]
    if stored is None:
        return views
    found = await names_of(rows, stored, {user_id for each in views if (user_id := getattr(each, ids)) is not None})
    return [replace(each, **{names: found.get(getattr(each, ids))}) for each in views]
