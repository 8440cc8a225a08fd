"""Random steps of people who share documents and manage teams: some are refused, all others change who may do what."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

from application.ports import Actor
from domain.content import ownership as document_ownership
from domain.content import sharing
from domain.content.document import Document
from domain.content.ownership import FormerOwner
from domain.content.roles import ShareRole
from domain.kernel import Refusal
from domain.teams import dissolution, invitations, ownership
from domain.teams.dissolution import DISSOLUTION_GRACE
from domain.teams.roles import InvitedRole
from domain.teams.team import Team
from tests.support.given import NOW, address_of

Choose = Callable[[Sequence[Any]], Any]
"""Picks one of several values: a Hypothesis draw, or `random.Random(...).choice`."""

DOCUMENT_STEPS = [
    *["share"] * 9,
    *["bind"] * 6,
    *["transfer"] * 3,
    "change",
    "revoke",
    "leave",
    "trash",
    "restore",
    "edit",
    "archive",
]
TEAM_STEPS = [
    *["invite"] * 5,
    *["accept"] * 5,
    "decline",
    "revoke",
    "role",
    "remove",
    "leave",
    "offer",
    "accept_offer",
    "dissolve",
]
SHARE_ROLES: list[ShareRole] = ["editor", "commenter", "viewer"]
INVITED_ROLES: list[InvitedRole] = ["admin", "editor", "viewer", "guest", "editor"]


def step_of_document(document: Document, people: Sequence[Actor], choose: Choose, now: datetime = NOW) -> None:
    """Let one of the people try something with the document."""
    by, address_id, role = choose(people), address_of(choose(verified(people))), choose(SHARE_ROLES)
    with suppress(Refusal):
        match choose(DOCUMENT_STEPS):
            case "share":
                sharing.share(document, address_id=address_id, email="a@example.org", role=role, by=by, now=now)
            case "bind":
                sharing.bind_share(document, by=by, now=now)
            case "change":
                sharing.change_share(document, address_id=address_id, role=role, by=by, now=now)
            case "revoke":
                sharing.revoke_share(document, address_id=address_id, by=by, now=now)
            case "leave":
                sharing.leave(document, by=by, now=now)
            case "trash":
                document.trash(by=by, now=now)
            case "restore":
                document.restore_from_trash(by=by, now=now)
            case "edit":
                document.change(title="B", content=role, status=document.status, by=by, now=now)
            case "transfer" if document.owner.kind == "user":
                _transfer(document, by, choose(verified(people)), now)
            case "archive":
                document.change(title="C", content=role, status="archived", by=by, now=now)


def _transfer(document: Document, by: Actor, heir: Actor, now: datetime) -> None:
    email = "a@example.org"
    document_ownership.offer(document, address_id=address_of(heir), email=email, by=by, now=now)
    document_ownership.accept(document, None, FormerOwner(by.user_id, address_of(by), email), by=heir, now=now)


def step_of_team(team: Team, people: Sequence[Actor], choose: Choose, now: datetime = NOW) -> None:
    """Let one of the people try something with the team."""
    by, whom, role = choose(people), choose(verified(people)), choose(INVITED_ROLES)
    with suppress(Refusal):
        match choose(TEAM_STEPS):
            case "invite":
                invitations.invite(team, address_id=address_of(whom), email="a@example.org", role=role, by=by, now=now)
            case "accept":
                invitations.accept(team, by=by, now=now)
            case "decline":
                invitations.decline(team, by=by, now=now)
            case "revoke":
                invitations.revoke(team, address_id=address_of(whom), by=by, now=now)
            case "role":
                team.change_role(user_id=whom.user_id, role=role, by=by, now=now)
            case "remove":
                team.remove(user_id=whom.user_id, by=by, now=now)
            case "leave":
                team.leave(by=by, now=now)
            case "offer":
                ownership.offer(team, user_id=whom.user_id, by=by, now=now)
            case "accept_offer":
                ownership.accept(team, by=by, now=now)
            case "dissolve":
                dissolution.request(team, by=by, now=now)
                dissolution.carry_out(team, now=now + DISSOLUTION_GRACE)


def verified(people: Sequence[Actor]) -> list[Actor]:
    """Return the people who have verified their addresses."""
    return [each for each in people if each.address_id is not None]
