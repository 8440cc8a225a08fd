"""Names of people beside their ids. No row has a name: it is read from the event that has it."""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from application.ports import ReadStore, StoredEvents
from projections.kernel import reads

NAMED = "SELECT id, profile_version FROM read.user_profile WHERE id = ANY(%s) AND NOT hidden"


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
