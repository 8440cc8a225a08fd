"""Who may read what, for many things at once, by the same rules that decide it for one (tests compare the two)."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from application.ports import Actor, ReadStore
from domain.billing.subscription import Subscription
from projections.content.document import DocumentDetails
from projections.content.document_access import DocumentAccess
from projections.kernel import reads
from projections.teams.team_roster import TeamRoster

DOCUMENTS = """
SELECT d.id, ARRAY[d.owner_id] AS user_ids, ARRAY[d.owner_id] AS manager_ids,
    ARRAY(SELECT a.address_id FROM read.document_access a WHERE a.document_id = d.id) AS address_ids
FROM read.document d WHERE d.id = ANY(%s)
"""
TEAMS = """
SELECT team_id AS id, array_agg(user_id) AS user_ids,
    ARRAY(SELECT m.user_id FROM read.team_roster m WHERE m.team_id = r.team_id AND m.role <> 'member') AS manager_ids,
    '{}'::uuid[] AS address_ids
FROM read.team_roster r WHERE team_id = ANY(%s) GROUP BY team_id
"""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who may read one thing: users, and the holders of addresses. Owners and admins manage who else may."""

    id: UUID
    user_ids: list[UUID]
    manager_ids: list[UUID]
    address_ids: list[UUID]

    def include(self, actor: Actor, *, managers: bool = False) -> bool:
        """Whether the actor is among them; among the managers, if it takes one."""
        if managers:
            return actor.user_id in self.manager_ids
        return actor.user_id in self.user_ids or (actor.address_id is not None and actor.address_id in self.address_ids)


@reads(DocumentDetails, DocumentAccess, TeamRoster)
async def readers_of(rows: ReadStore, document_ids: Iterable[UUID], team_ids: Iterable[UUID]) -> dict[UUID, Audience]:
    """Who may read documents (their owners, and those with whom they are shared) and teams (their members).

    What is not in the answer nobody may read.
    """
    found: list[Audience] = []
    for query, ids in ((DOCUMENTS, [*document_ids]), (TEAMS, [*team_ids])):
        if ids:
            found += await rows.all(Audience, query, [ids])
    return {each.id: each for each in found}


def own_of(actor: Actor) -> frozenset[UUID]:
    """What nobody but the actor may read: their account and their subscription."""
    return frozenset({actor.user_id, Subscription.id_of(actor.user_id)})
