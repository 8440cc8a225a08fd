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
from domain.content.roles import Role
from domain.kernel import Party
from domain.teams.roles import Role as TeamRole
from projections.kernel import reads

HELD = "(user_id = %(user_id)s OR (user_id IS NULL AND address_id = %(address_id)s))"
"""The condition that a row of `document_access` is the actor's share: bound to them, or unused and of their address."""

LIVES = "(l.expires_at IS NULL OR l.expires_at > now())"
"""The condition that the share link `l` gives its role now. The clock of the database may differ from ours."""

ROLES_HELD = f"""(
    SELECT document_id, role, user_id IS NULL AS unused, NULL::uuid AS link_id FROM read.document_access WHERE {HELD}
    UNION ALL SELECT g.document_id, l.role, false, l.id
    FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id
    WHERE g.user_id = %(user_id)s AND g.present AND {LIVES}
)"""  # noqa: S608 - our own words only
"""The actor's roles by shares and by links, with their documents."""

ROLES_BY_ADDRESS = f"(SELECT document_id, role FROM read.document_access WHERE {HELD})"  # noqa: S608
"""Those by shares alone: they end by an event."""

SHARES_HELD = f"""
SELECT role, unused, link_id FROM {ROLES_HELD} AS held WHERE document_id = %(id)s
AND NOT EXISTS (SELECT FROM read.user_profile WHERE id = %(owner_id)s AND hidden)
"""  # noqa: S608 - our own words only
"""Takes the owner's id; NULL: the owner is no user."""

RANKING = ",".join(DOCUMENT.roles)

MANAGERS = ",".join(TEAM.roles_for("list_invitations"))

FOLLOWERS = ",".join(TEAM.roles_for("list_members"))
"""The roles that follow the events of a team, which name its members."""

OWNED = "(d.owner_kind = 'user' AND d.owner_id = %(user_id)s)"
"""The condition that the actor owns the document `d`."""

ASKED = "g.asker_id = %(user_id)s"
"""The condition that the actor has asked for the generation `g`."""

BELONGS_TO = "d.owner_id = %(owner_id)s"
"""The condition that a user or a team owns the document `d`."""

BELONGS_TO_TEAM = "(d.owner_kind = 'team' AND d.owner_id = %(team_id)s)"
"""The condition that a team owns the document `d`."""

SHOWN = """NOT (
    d.owner_kind = 'user' AND EXISTS (SELECT FROM read.user_profile p WHERE p.id = d.owner_id AND p.hidden)
)"""
"""The condition that the document `d` is open to others: its owner's account does not wait for its deletion."""

DOCUMENT_AUDIENCE = f"""
SELECT d.id, o.ids || ARRAY(
        SELECT a.user_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NOT NULL
        UNION SELECT g.user_id FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id
        WHERE g.document_id = d.id AND g.present AND {LIVES}
    ) AS user_ids, o.ids AS manager_ids, ARRAY(
        SELECT a.address_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NULL
    ) AS address_ids
FROM read.document d, LATERAL (SELECT CASE d.owner_kind WHEN 'user' THEN ARRAY[d.owner_id] ELSE '{{}}' END AS ids) o
WHERE d.id = ANY(%s) AND {SHOWN}
"""  # noqa: S608 - our own words only

EVER_SHARED = """
(c.user_ids @> ARRAY[%(user_id)s]::uuid[] OR c.address_ids @> ARRAY[%(address_id)s]::uuid[])
AND NOT (c.owner_kind = 'user' AND c.owner_id = %(user_id)s)
"""
"""The condition that the document `c` of another owner was at some time shared with the actor."""

CHANGED_DOCUMENTS = f"""
SELECT c.id, c.position FROM read.document_change c
    WHERE c.owner_kind = 'user' AND c.owner_id = %(user_id)s AND c.position >= %(position)s
UNION ALL SELECT c.id, c.position FROM read.document_change c WHERE {EVER_SHARED} AND c.position >= %(position)s
UNION ALL SELECT c.id, p.position FROM read.document_change c JOIN read.user_profile p ON p.id = c.owner_id
    WHERE {EVER_SHARED} AND c.owner_kind = 'user' AND p.position >= %(position)s
UNION ALL SELECT s.document_id, s.position FROM read.document_star s
    WHERE s.user_id = %(user_id)s AND s.position >= %(position)s
"""  # noqa: S608 - our own words only
"""The documents that the actor may have seen at some time, with the positions, from `position` on, of what changes them
in the actor's list: their own events, those of their owner's account, which may hide them, and the actor's star."""

TEAM_AUDIENCE = f"""
SELECT team_id AS id, array_agg(user_id) AS user_ids,
    coalesce(array_agg(user_id) FILTER (WHERE role = ANY('{{{MANAGERS}}}')), '{{}}') AS manager_ids,
    '{{}}'::uuid[] AS address_ids
FROM read.team_roster WHERE team_id = ANY(%s) AND role = ANY('{{{FOLLOWERS}}}') GROUP BY team_id
"""  # noqa: S608 - roles of our own table


MEMBERSHIP = """
SELECT role FROM read.team_roster
WHERE team_id = %(id)s AND user_id = %(user_id)s AND EXISTS (SELECT FROM read.team WHERE id = %(id)s)
"""
"""Of a team that exists: one that was erased without its state leaves its members in the roster."""


FOLLOWED = f"""
SELECT d.id FROM read.document d WHERE {OWNED}
UNION SELECT a.document_id FROM {ROLES_HELD} a JOIN read.document d ON d.id = a.document_id WHERE {SHOWN}
UNION SELECT team_id FROM read.team_roster WHERE user_id = %(user_id)s AND role = ANY('{{{FOLLOWERS}}}')
"""  # noqa: S608 - our own words only


@dataclass(frozen=True, slots=True)
class FollowedThing:
    """A document or a team whose events the actor may follow."""

    id: UUID


@dataclass(frozen=True, slots=True)
class Share:
    """A role of the actor: by the link `link_id`, or by a share. `unused`: the share is bound to no user yet."""

    role: Role
    unused: bool
    link_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """The actor's membership in a team."""

    role: TeamRole


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


@reads("document_access", "link_guest", "share_link", "user_profile")
async def document_access(rows: ReadStore, actor: Actor, document_id: UUID, owner: Party) -> Access:
    """Return the actor's access to a document with this owner."""
    if owner == Party("user", actor.user_id):
        return Access("owner")
    shares = await rows.all(Share, SHARES_HELD, shares_params(actor, document_id, owner))
    return Access(DOCUMENT.highest(share.role for share in shares), any(share.unused for share in shares))


def shares_params(actor: Actor, document_id: UUID, owner: Party) -> dict[str, UUID | None]:
    """Return the parameters of `SHARES_HELD`."""
    owner_id = owner.id if owner.kind == "user" else None
    return {"id": document_id, "user_id": actor.user_id, "address_id": actor.address_id, "owner_id": owner_id}


def own_documents(columns: str) -> str:
    """Return the query of the documents (`d`) that the actor owns, with their role."""
    return f"SELECT {columns}, '{DOCUMENT.roles[0]}' AS role FROM read.document d WHERE {OWNED}"  # noqa: S608


def shared_documents(columns: str) -> str:
    """Return the query of the documents (`d`) of others on which the actor has roles, with the highest."""
    return _with_role(columns, ROLES_HELD)


def shared_by_address(columns: str) -> str:
    """Return the query of the documents (`d`) that are shared with the actor's address, with the highest role."""
    return _with_role(columns, ROLES_BY_ADDRESS)


def _with_role(columns: str, roles: str) -> str:
    return f"""
        SELECT {columns}, a.role FROM (
            SELECT DISTINCT ON (document_id) document_id, role FROM {roles} held
            ORDER BY document_id, array_position('{{{RANKING}}}', role)
        ) a JOIN read.document d ON d.id = a.document_id
        WHERE NOT {OWNED} AND {SHOWN}
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


def invitations_held() -> str:
    """Return the query of the open invitations of the actor's address. It also takes `now`."""
    return """
        SELECT team_id, role, invited_at, expires_at FROM read.team_invitation
        WHERE address_id = %(address_id)s AND expires_at > %(now)s
    """


@reads("team", "team_roster")
async def team_role(rows: ReadStore, actor: Actor, team_id: UUID) -> TeamRole | None:
    """Return the actor's role in a team; None: the actor is no member, or the team does not exist."""
    found = await rows.one(Membership, MEMBERSHIP, {"id": team_id, "user_id": actor.user_id})
    return None if found is None else found.role


@reads("document", "document_access", "link_guest", "share_link", "team_roster", "user_profile")
async def readers_of(rows: ReadStore, document_ids: Iterable[UUID], team_ids: Iterable[UUID]) -> dict[UUID, Audience]:
    """Return the audiences of documents (owners, people they are shared with, guests) and teams (their members).

    A thing without an audience may be read by no user. Invited people may read a team, but do not follow its events.
    """
    found: list[Audience] = []
    for query, ids in ((DOCUMENT_AUDIENCE, [*document_ids]), (TEAM_AUDIENCE, [*team_ids])):
        if ids:
            found += await rows.all(Audience, query, [ids])
    return {each.id: each for each in found}


@reads("document", "document_access", "link_guest", "share_link", "team_roster", "user_profile")
async def followed_by(rows: ReadStore, actor: Actor) -> list[UUID]:
    """Return the ids of all things whose events the actor may read, as `readers_of` and `own_of` say of each one."""
    found = await rows.all(FollowedThing, FOLLOWED, {"user_id": actor.user_id, "address_id": actor.address_id})
    return [*own_of(actor), *(each.id for each in found)]


def own_of(actor: Actor) -> frozenset[UUID]:
    """Return the ids of what only the actor may read: their account and their subscription."""
    return frozenset({actor.user_id, Subscription.id_of(Party("user", actor.user_id))})
