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

HELD = "(user_id = %(user_id)s OR (user_id IS NULL AND address_id = %(address_id)s))"
"""The condition that a row of `document_access` is the actor's share: bound to them, or unused and of their address."""

SHARES_HELD = f"SELECT role, user_id IS NULL AS unused FROM read.document_access WHERE document_id = %(id)s AND {HELD}"  # noqa: S608

RANKING = ",".join(DOCUMENT.roles)

MANAGERS = ",".join(TEAM.roles_for("list_invitations"))

OWNED = "(d.owner_kind = 'user' AND d.owner_id = %(user_id)s)"
"""The condition that the actor owns the document `d`."""

DOCUMENT_AUDIENCE = """
SELECT d.id, o.ids || ARRAY(
        SELECT a.user_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NOT NULL
    ) AS user_ids, o.ids AS manager_ids, ARRAY(
        SELECT a.address_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NULL
    ) AS address_ids
FROM read.document d, LATERAL (SELECT CASE d.owner_kind WHEN 'user' THEN ARRAY[d.owner_id] ELSE '{}' END AS ids) o
WHERE d.id = ANY(%s)
"""
TEAM_AUDIENCE = f"""
SELECT team_id AS id, array_agg(user_id) AS user_ids,
    coalesce(array_agg(user_id) FILTER (WHERE role = ANY('{{{MANAGERS}}}')), '{{}}') AS manager_ids,
    '{{}}'::uuid[] AS address_ids
FROM read.team_roster WHERE team_id = ANY(%s) GROUP BY team_id
"""  # noqa: S608 - roles of our own table


FOLLOWED = f"""
SELECT d.id FROM read.document d WHERE {OWNED}
UNION SELECT document_id FROM read.document_access WHERE {HELD}
UNION SELECT team_id FROM read.team_roster WHERE user_id = %(user_id)s
"""  # noqa: S608 - our own words only


@dataclass(frozen=True, slots=True)
class FollowedThing:
    """A document or a team whose events the actor may follow."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Share:
    """A share of the actor. `unused`: it is bound to no user yet."""

    role: Role
    unused: bool


@dataclass(frozen=True, slots=True)
class Access:
    """The actor's role on a document; None: it does not exist for them. `unused`: a share of theirs is unused."""

    role: Role | None
    unused: bool = False


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
async def document_access(rows: ReadStore, actor: Actor, document_id: UUID, owner: Party) -> Access:
    """Return the actor's access to a document with this owner."""
    if owner == Party("user", actor.user_id):
        return Access("owner")
    params = {"id": document_id, "user_id": actor.user_id, "address_id": actor.address_id}
    shares = await rows.all(Share, SHARES_HELD, params)
    return Access(DOCUMENT.highest(share.role for share in shares), any(share.unused for share in shares))


def own_documents(columns: str) -> str:
    """Return the query of the documents (`d`) that the actor owns, with their role."""
    return f"SELECT {columns}, '{DOCUMENT.roles[0]}' AS role FROM read.document d WHERE {OWNED}"  # noqa: S608


def shared_documents(columns: str) -> str:
    """Return the query of the documents (`d`) that others share with the actor, with the actor's highest role."""
    return f"""
        SELECT {columns}, a.role FROM (
            SELECT DISTINCT ON (document_id) document_id, role FROM read.document_access WHERE {HELD}
            ORDER BY document_id, array_position('{{{RANKING}}}', role)
        ) a JOIN read.document d ON d.id = a.document_id
        WHERE NOT {OWNED}
    """  # noqa: S608 - columns of our own views


def is_member(team: str) -> str:
    """Return the condition that the actor is a member of `team`, an SQL expression."""
    return f"EXISTS (SELECT FROM read.team_roster WHERE team_id = {team} AND user_id = %(user_id)s)"


def is_invited(team: str) -> str:
    """Return the condition that the actor's address is invited to `team`, an SQL expression. It also takes `now`."""
    return f"""EXISTS (
        SELECT FROM read.team_invitation
        WHERE team_id = {team} AND address_id = %(address_id)s AND expires_at > %(now)s
    )"""


@reads("document", "document_access", "team_roster")
async def readers_of(rows: ReadStore, document_ids: Iterable[UUID], team_ids: Iterable[UUID]) -> dict[UUID, Audience]:
    """Return the audiences of documents (owners, and the people they are shared with) and teams (their members).

    A thing without an audience may be read by no user. Invited people may read a team, but do not follow its events.
    """
    found: list[Audience] = []
    for query, ids in ((DOCUMENT_AUDIENCE, [*document_ids]), (TEAM_AUDIENCE, [*team_ids])):
        if ids:
            found += await rows.all(Audience, query, [ids])
    return {each.id: each for each in found}


@reads("document", "document_access", "team_roster")
async def followed_by(rows: ReadStore, actor: Actor) -> list[UUID]:
    """Return the ids of all things whose events the actor may read, as `readers_of` and `own_of` say of each one."""
    found = await rows.all(FollowedThing, FOLLOWED, {"user_id": actor.user_id, "address_id": actor.address_id})
    return [*own_of(actor), *(each.id for each in found)]


def own_of(actor: Actor) -> frozenset[UUID]:
    """Return the ids of what only the actor may read: their account and their subscription."""
    return frozenset({actor.user_id, Subscription.id_of(Party("user", actor.user_id))})
