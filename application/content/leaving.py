"""Use case of a person who is about to leave a team: offer the team what they have lent to it."""

from dataclasses import dataclass
from uuid import UUID

from application.commands import Command, handles
from application.lookup import find
from application.ports import Actor, Clock, Holdings, Store
from domain.content import ownership
from domain.content.document import Document
from domain.content.lending import lives
from domain.content.team_roles import require_by_team
from domain.teams.team import Team

MAX_OFFERED = 100
"""Documents that one command offers."""

MAX_CHARACTERS = 8_000_000
"""Texts in memory, of one command. A document that goes beyond it is the last one."""


@dataclass(frozen=True, slots=True)
class OfferedDocuments:
    """What was offered: how many documents. `more`: there are others; send the command again."""

    offered: int
    more: bool


class OfferLentDocuments(Command[OfferedDocuments]):
    """Offer a team all documents that the actor has lent to it. Those in the trash or offered already are left out."""

    team_id: UUID


@handles
async def offer_lent_documents(
    cmd: OfferLentDocuments, store: Store, actor: Actor, holdings: Holdings, clock: Clock
) -> OfferedDocuments:
    now = clock()
    team = await store.get(Team, cmd.team_id)
    require_by_team("create_in_team", team, actor)
    held = await holdings.documents_to_offer(actor.user_id, cmd.team_id, now=now, limit=MAX_OFFERED + 1)
    more = len(held) > MAX_OFFERED
    offered: list[Document] = []
    characters = 0
    for each in held[:MAX_OFFERED]:
        if characters >= MAX_CHARACTERS:
            more = True
            break
        document = await find(store, Document, each.id)
        if document is None:
            continue
        characters += document.content_length
        if ownership.may_be_offered(document, now) and lives(document, team):  # reads may be behind the log
            ownership.offer_to_team(document, team, by=actor, now=now)
            offered.append(document)
    store.save(*offered)
    return OfferedDocuments(len(offered), more)
