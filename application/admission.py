"""Admission: on each load, is the owner's account open, and which roles do share links and teams lend the actor?

Commands ask the log here, so that nothing is done through a link or a team once its end was stored. Reads ask
`projections/visibility.py`.
"""

from datetime import datetime
from uuid import UUID

from application.ports import Actor, EventStore
from application.suspended_owners import require_shown
from domain.access import DOCUMENT
from domain.content.document import Document
from domain.content.lending import role_by_loan
from domain.content.link_guest import LinkGuest
from domain.content.roles import Role
from domain.content.share_link import ShareLinks
from domain.content.team_roles import role_by_team
from domain.kernel import Root
from domain.teams.team import Team


async def admit(root: Root, actor: Actor | None, events: EventStore, now: datetime) -> None:
    """Refuse what is not to be seen at present, and note the roles that share links and the team lend the actor.

    A team lends roles on all that belongs to it. `actor`: None is the system, which sees everything.

    Raises:
        NotFound: it does not exist for the actor.
        Unavailable: the database does not answer.
        Unreadable: the links or the team cannot be read.
    """
    await require_shown(root, actor, events)
    if actor is None:
        return
    if isinstance(root, Team):
        note_role_by_team(root, actor)
    elif isinstance(root, Document):
        actor.lent.pop(root.id, None)
        if root.owner.kind == "team":
            team = await events.load(Team, root.owner.id)
            _note(actor, root.owner.id, None if team is None else role_by_team(team, actor))
        if root.role_of(actor) not in ("owner", "editor"):  # no link and no loan gives more
            roles = [await _role_by_links(root, actor, events, now), await _role_by_loans(root, actor, events)]
            _note(actor, root.id, DOCUMENT.highest(role for role in roles if role is not None))


def note_role_by_team(team: Team, actor: Actor) -> None:
    """Note the role that a team lends the actor on all that belongs to it."""
    _note(actor, team.id, role_by_team(team, actor))


async def _role_by_links(document: Document, actor: Actor, events: EventStore, now: datetime) -> Role | None:
    guest = await events.load(LinkGuest, LinkGuest.id_of(document.id, actor.user_id))
    if guest is None or not guest.link_ids:
        return None
    links = await events.load(ShareLinks, ShareLinks.id_of(document.id))
    return None if links is None else links.role_by(guest.link_ids, now)


async def _role_by_loans(document: Document, actor: Actor, events: EventStore) -> Role | None:
    teams = [await events.load(Team, team_id) for team_id in document.team_shares]
    roles = [role_by_loan(document, team, actor) for team in teams if team is not None]
    return DOCUMENT.highest(role for role in roles if role is not None)


def _note(actor: Actor, lender_id: UUID, role: Role | None) -> None:
    """Note a role that a document's links or a team lend; None: they lend none."""
    if role is None:
        actor.lent.pop(lender_id, None)
    else:
        actor.lent[lender_id] = role
