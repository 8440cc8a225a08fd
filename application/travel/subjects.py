"""Whom an answer to an auditor is about: they are shown that it was read."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from uuid import UUID

from application.travel.views import DifferenceView, EventView, StateView


@dataclass(frozen=True, slots=True)
class Subjects:
    """The users and teams whose data an answer shows."""

    user_ids: Collection[UUID] = ()
    team_ids: Collection[UUID] = ()


def concerned(events: Iterable[EventView]) -> Subjects:
    """Return the users and teams that events are about: payers, actors, and users and teams themselves."""
    users, teams = set[UUID](), set[UUID]()
    for event in events:
        users |= {each for each in (event.actor_id, event.on_behalf_of) if each is not None}
        for kind, id in ((event.tenant_kind, event.tenant_id), (event.topic, event.aggregate_id)):
            if id is not None:
                users |= {id} if kind == "user" else set()
                teams |= {id} if kind == "team" else set()
    return Subjects(users, teams)


def in_state(view: StateView | None) -> Subjects:
    """Return whom a state is about: also its owner, who may be another than the one of its first event."""
    if view is None:
        return Subjects()
    found = concerned([view.event])
    match view.state.get("owner_kind"), view.state.get("owner_id"):
        case "user", owner_id:
            return Subjects({*found.user_ids, UUID(str(owner_id))}, found.team_ids)
        case "team", owner_id:
            return Subjects(found.user_ids, {*found.team_ids, UUID(str(owner_id))})
    return found


def in_difference(view: DifferenceView | None) -> Subjects:
    """Return whom a difference is about."""
    return concerned([] if view is None else [view.before, view.after])
