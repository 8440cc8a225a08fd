"""Who may read what: the only place outside the domain that compares owners, members and addresses with the actor.

Queries of documents and teams are made of these pieces. A property test compares them with `Document.role_of`,
`Team.role_of` and the access table. Parameters of the SQL are `user_id` and `address_id`, the actor's; an actor without
a verified address has the address NULL, which equals none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from application.ports import Actor, ReadStore
from domain.access import DOCUMENT, TEAM
from domain.billing.subscription import Subscription
from domain.content.document import Role
from domain.kernel import Party
from projections.kernel import reads

ROLE_BY_SHARE = "SELECT role FROM read.document_access WHERE document_id = %s AND address_id = %s"

MANAGERS = ",".join(TEAM.roles_for("list_invitations"))

OWNED = "(d.owner_kind = 'user' AND d.owner_id = %(user_id)s)"
"""The condition that the actor owns the document `d`."""

DOCUMENT_AUDIENCE = """
SELECT d.id, o.user_ids, o.user_ids AS manager_ids,
    ARRAY(SELECT a.address_id FROM read.document_access a WHERE a.document_id = d.id) AS address_ids
FROM read.document d,
    LATERAL (SELECT CASE d.owner_kind WHEN 'user' THEN ARRAY[d.owner_id] ELSE '{}' END AS user_ids) o
WHERE d.id = ANY(%s)
"""
TEAM_AUDIENCE = f"""
SELECT team_id AS id, array_agg(user_id) AS user_ids,
    coalesce(array_agg(user_id) FILTER (WHERE role = ANY('{{{MANAGERS}}}')), '{{}}') AS manager_ids,
    '{{}}'::uuid[] AS address_ids
FROM read.team_roster WHERE team_id = ANY(%s) GROUP BY team_id
"""  # noqa: S608 - roles of our own table


@dataclass(frozen=True, slots=True)
class Share:
    """The role that a share gives."""

    role: Role


@dataclass(frozen=True, slots=True)
class Audience:
    """The people who may read one thing: users, and holders of addresses. Managers also hear of its permissions."""

    id: UUID
    user_ids: list[UUID]
    manager_ids: list[UUID]
    address_ids: list[UUID]

    def include(self, actor: Actor, *, managers: bool = False) -> bool:
        """Return whether the actor is among the readers, or with `managers` among the managers."""
        if managers:
            return actor.user_id in self.manager_ids
        return actor.user_id in self.user_ids or (actor.address_id is not None and actor.address_id in self.address_ids)


@reads("document_access")
async def document_role(rows: ReadStore, actor: Actor, document_id: UUID, owner: Party) -> Role | None:
    """Return the actor's role on a document with this owner; None: the document does not exist for them."""
    if owner == Party("user", actor.user_id):
        return "owner"
    if actor.address_id is None:
        return None
    share = await rows.one(Share, ROLE_BY_SHARE, [document_id, actor.address_id])
    return None if share is None else share.role


def own_documents(columns: str) -> str:
    """Return the query of the documents (`d`) that the actor owns, with their role."""
    return f"SELECT {columns}, '{DOCUMENT.roles[0]}' AS role FROM read.document d WHERE {OWNED}"  # noqa: S608


def shared_documents(columns: str) -> str:
    """Return the query of the documents (`d`) that others share with the actor's address, with the actor's role."""
    return f"""
        SELECT {columns}, a.role FROM read.document_access a JOIN read.document d ON d.id = a.document_id
        WHERE a.address_id = %(address_id)s AND NOT {OWNED}
    """  # noqa: S608 - columns of our own views


def is_member(team: str) -> str:
    """Return the condition that the actor is a member of `team`, an SQL expression."""
    return f"EXISTS (SELECT FROM read.team_roster WHERE team_id = {team} AND user_id = %(user_id)s)"


def is_invited(team: str) -> str:
    """Return the condition that the actor's address is invited to `team`, an SQL expression.

    An expired invitation counts until it is answered or revoked, as in `Team.role_of`.
    """
    return f"EXISTS (SELECT FROM read.team_invitation WHERE team_id = {team} AND address_id = %(address_id)s)"


@reads("document", "document_access", "team_roster")
async def readers_of(rows: ReadStore, document_ids: Iterable[UUID], team_ids: Iterable[UUID]) -> dict[UUID, Audience]:
    """Return the audiences of documents (owners, and the addresses they are shared with) and teams (their members).

    A thing without an audience may be read by no user. Invited people may read a team, but do not follow its events.
    """
    found: list[Audience] = []
    for query, ids in ((DOCUMENT_AUDIENCE, [*document_ids]), (TEAM_AUDIENCE, [*team_ids])):
        if ids:
            found += await rows.all(Audience, query, [ids])
    return {each.id: each for each in found}


def own_of(actor: Actor) -> frozenset[UUID]:
    """Return the ids of what only the actor may read: their account and their subscription."""
    return frozenset({actor.user_id, Subscription.id_of(Party("user", actor.user_id))})
