"""Admission: on each load, is the owner's account open, and which roles do share links and teams lend the actor?

Commands ask the log here, and the append checks the versions of what they asked, so that nothing is done through a link
or a team once its end was stored (`decisions/0005-appends-check-who-lends-the-role.md`). Reads ask
`projections/visibility.py`.
"""

from datetime import datetime
from uuid import UUID

from application.ports import A, Actor, EventStore
from application.suspended_owners import require_shown
from domain.access import DOCUMENT
from domain.content.document import Document
from domain.content.lending import role_by_loan
from domain.content.link_guest import LinkGuest
from domain.content.roles import Role
from domain.content.share_link import ShareLinks
from domain.content.team_roles import role_by_team
from domain.identity.user import User
from domain.kernel import Root
from domain.teams.team import Team


async def admit(root: Root, actor: Actor | None, events: EventStore, now: datetime) -> list[Root]:
    """Refuse what is not to be seen at present, and note the roles that share links and the team lend the actor.

    Returns the lenders: the aggregates that were asked for these roles, the document itself among them, as it says who
    owns it and with whom it is shared. A team lends roles on all that belongs to it. An account of an auditor is among
    them: it says that the user may read the history of others.
    `actor`: None is the system, which sees everything.

    Raises:
        NotFound: it does not exist for the actor.
        Unavailable: the database does not answer.
        Unreadable: the links or the team cannot be read.
    """
    await require_shown(root, actor, events)
    lenders: list[Root] = []
    if actor is None:
        return lenders
    if isinstance(root, Team):
        note_role_by_team(root, actor)
        lenders.append(root)
    elif isinstance(root, User) and root.auditor:
        lenders.append(root)
    elif isinstance(root, Document):
        lenders.append(root)
        await _admit_to_document(root, actor, events, now, lenders)
    return lenders


async def _admit_to_document(
    document: Document, actor: Actor, events: EventStore, now: datetime, lenders: list[Root]
) -> None:
    """Note the roles on a document that others lend the actor, and add these others to the lenders."""
    actor.lent.pop(document.id, None)
    if document.owner.kind == "team":
        team = await _lender(Team, document.owner.id, events, lenders)
        _note(actor, document.owner.id, None if team is None else role_by_team(team, actor))
    if document.role_of(actor) not in ("owner", "editor"):  # no link and no loan gives more
        by_links = await _role_by_links(document, actor, events, now, lenders)
        roles = [by_links, await _role_by_loans(document, actor, events, lenders)]
        _note(actor, document.id, DOCUMENT.highest(role for role in roles if role is not None))


def note_role_by_team(team: Team, actor: Actor) -> None:
    """Note the role that a team lends the actor on all that belongs to it."""
    _note(actor, team.id, role_by_team(team, actor))


async def _role_by_links(
    document: Document, actor: Actor, events: EventStore, now: datetime, lenders: list[Root]
) -> Role | None:
    guest = await _lender(LinkGuest, LinkGuest.id_of(document.id, actor.user_id), events, lenders)
    if guest is None or not guest.link_ids:
        return None
    links = await _lender(ShareLinks, ShareLinks.id_of(document.id), events, lenders)
    return None if links is None else links.role_by(guest.link_ids, now)


async def _role_by_loans(document: Document, actor: Actor, events: EventStore, lenders: list[Root]) -> Role | None:
    teams = [await _lender(Team, team_id, events, lenders) for team_id in document.team_shares]
    roles = [role_by_loan(document, team, actor) for team in teams if team is not None]
    return DOCUMENT.highest(role for role in roles if role is not None)


async def _lender(kind: type[A], id: UUID, events: EventStore, lenders: list[Root]) -> A | None:
    """Return an aggregate that may lend a role, and add it to the lenders."""
    found = await events.load(kind, id)
    if found is not None:
        lenders.append(found)
    return found


def _note(actor: Actor, lender_id: UUID, role: Role | None) -> None:
    """Note a role that a document's links or a team lend; None: they lend none."""
    if role is None:
        actor.lent.pop(lender_id, None)
    else:
        actor.lent[lender_id] = role
