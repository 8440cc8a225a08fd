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
    offered: list[Document] = []
    lent = await holdings.documents_lent(actor.user_id, cmd.team_id)
    for held in (each for each in lent if each.listed):
        document = await find(store, Document, held.id)
        if document is None or not ownership.may_be_offered(document, now) or not lives(document, team):
            continue
        if len(offered) == MAX_OFFERED:
            return OfferedDocuments(_staged(offered, store), more=True)
        ownership.offer_to_team(document, team, by=actor, now=now)
        offered.append(document)
    return OfferedDocuments(_staged(offered, store), more=False)


def _staged(offered: list[Document], store: Store) -> int:
    store.save(*offered)
    return len(offered)
