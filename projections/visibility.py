"""Who may read what: the only place outside the domain that compares owners, members and addresses with the actor.

Queries of documents and teams are made of these pieces. A property test compares them with `Document.role_of`,
`Team.role_of` and the access table. Parameters of the SQL are `user_id` and `address_id`, the actor's; an actor without
a verified address has the address NULL, which equals none.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from application.ports import Actor, ReadStore
from domain.access import DOCUMENT, TEAM
from domain.billing.subscription import Subscription
from domain.content.roles import Role
from domain.content.team_roles import READ_ONLY, ROLE_BY_TEAM_ROLE
from domain.kernel import Party
from domain.teams.roles import Role as TeamRole
from projections.kernel import reads

HELD = "(user_id = %(user_id)s OR (user_id IS NULL AND address_id = %(address_id)s))"
"""The condition that a row of `document_access` is the actor's share: bound to them, or unused and of their address."""

LIVES = "(l.expires_at IS NULL OR l.expires_at > now())"
"""The condition that the share link `l` gives its role now. The clock of the database may differ from ours."""

LENDING = ",".join(role for role, given in ROLE_BY_TEAM_ROLE.items() if given is not None)
"""The roles in a team that give one on what belongs to it."""

MEMBER = f"""read.team_roster r JOIN read.team t
    ON t.id = r.team_id AND t.dissolved_at IS NULL AND r.role = ANY('{{{LENDING}}}')"""
"""The members of teams who have a role on what belongs to their team."""

GIVEN = " ".join(f"WHEN '{role}' THEN '{given}'" for role, given in ROLE_BY_TEAM_ROLE.items() if given is not None)

ROLE_OF_MEMBER = f"CASE WHEN t.dissolution_due IS NOT NULL THEN '{READ_ONLY}' ELSE CASE r.role {GIVEN} END END"
"""The role that such a member has."""

ROLES_BY_TEAM = f"(SELECT r.team_id, {ROLE_OF_MEMBER} AS role FROM {MEMBER} WHERE r.user_id = %(user_id)s)"  # noqa: S608
"""The actor's roles on what belongs to teams."""

HAS_ROLE_BY_TEAM = f"EXISTS (SELECT FROM {ROLES_BY_TEAM} AS m WHERE m.team_id = %(team_id)s)"
"""The condition that the team gives the actor a role on what belongs to it: they are no guest."""

LENT = """read.document_team_share s JOIN read.document o ON o.id = s.document_id AND o.owner_kind = 'user'
    JOIN read.team_roster lender ON lender.team_id = s.team_id AND lender.user_id = o.owner_id
        AND lender.joined_version = s.membership
    JOIN read.team t ON t.id = s.team_id AND t.dissolved_at IS NULL"""
"""The loans that live: `s`, of the document `o` to the team `t`."""

BORROWER = f"read.team_roster r ON r.team_id = s.team_id AND r.role = ANY('{{{LENDING}}}')"
"""The members of the team of a loan who have a role by it."""

RANKING = ",".join(DOCUMENT.roles)

ROLE_OF_BORROWER = f"""
('{{{RANKING}}}'::text[])[greatest(
    array_position('{{{RANKING}}}', s.role), array_position('{{{RANKING}}}', {ROLE_OF_MEMBER})
)]
"""
"""The role that such a member has: the lower one of the loan's and of what the team gives them."""

ROLES_BY_EVENTS = f"""(
    SELECT 'share' AS reason, document_id, role, user_id IS NULL AS unused, NULL::uuid AS link_id, NULL::uuid AS team_id
    FROM read.document_access WHERE {HELD}
    UNION ALL SELECT 'loan', s.document_id, {ROLE_OF_BORROWER}, false, NULL, s.team_id
    FROM {LENT} JOIN {BORROWER} WHERE r.user_id = %(user_id)s
)"""  # noqa: S608 - our own words only
"""The actor's roles by shares and loans, with their documents: they end by events."""

ROLES_HELD = f"""(
    SELECT * FROM {ROLES_BY_EVENTS} AS by_events
    UNION ALL SELECT 'link', g.document_id, l.role, false, l.id, NULL
    FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id
    WHERE g.user_id = %(user_id)s AND g.present AND {LIVES}
)"""  # noqa: S608 - our own words only
"""The actor's roles by shares, loans and links, with their documents."""

HOLDS_ROLES = f"""
SELECT EXISTS (SELECT FROM {ROLES_BY_TEAM} AS m) AS by_teams, EXISTS (SELECT FROM {ROLES_HELD} AS held) AS otherwise
"""  # noqa: S608 - our own words only

ROLES_ON_ONE = f"""
SELECT reason, role, unused, link_id, team_id FROM {ROLES_HELD} AS held WHERE document_id = %(id)s
AND NOT EXISTS (SELECT FROM read.user_profile WHERE id = %(owner_id)s AND hidden)
UNION ALL SELECT 'team', role, false, NULL, team_id FROM {ROLES_BY_TEAM} AS m WHERE team_id = %(team_id)s
"""  # noqa: S608 - our own words only
"""Takes the owner's id, as that of a user or as that of a team; the other one is NULL."""

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

BELONGS_TO_MINE = f"(d.owner_kind = 'team' AND d.owner_id IN (SELECT team_id FROM {ROLES_BY_TEAM} AS m))"  # noqa: S608
"""The condition that the document `d` belongs to a team that gives the actor a role on it."""

HAS_DOCUMENTS = "EXISTS (SELECT FROM read.document d WHERE d.owner_kind = 'team' AND d.owner_id = t.id)"
"""The condition that the team `t` owns documents."""

MANAGED = f"""({OWNED} OR (d.owner_kind = 'team' AND d.owner_id IN (
    SELECT team_id FROM {ROLES_BY_TEAM} AS m WHERE m.role = '{DOCUMENT.roles[0]}'
)))"""  # noqa: S608 - our own words only
"""The condition that the actor has the role owner on the document `d`, as a user or by a team."""

OFFER_HOLDS = f"""(d.owner_kind = 'user' OR EXISTS (
    SELECT FROM {MEMBER} WHERE r.team_id = d.owner_id AND r.user_id = o.offered_by
        AND CASE r.role {GIVEN} END = '{DOCUMENT.roles[0]}'
))"""
"""The condition that who made the offer `o` of the document `d` may give it away, if no dissolution is due."""

SHOWN = """NOT (
    d.owner_kind = 'user' AND EXISTS (SELECT FROM read.user_profile p WHERE p.id = d.owner_id AND p.hidden)
)"""
"""The condition that the document `d` is open to others: its owner's account does not wait for its deletion."""

DOCUMENT_AUDIENCE = f"""
SELECT d.id, m.reader_ids || ARRAY(
        SELECT a.user_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NOT NULL
        UNION SELECT g.user_id FROM read.link_guest g JOIN read.share_link l ON l.id = g.link_id
        WHERE g.document_id = d.id AND g.present AND {LIVES}
        UNION SELECT r.user_id FROM {LENT} JOIN {BORROWER} WHERE s.document_id = d.id
    ) AS user_ids, m.manager_ids, ARRAY(
        SELECT a.address_id FROM read.document_access a WHERE a.document_id = d.id AND a.user_id IS NULL
    ) AS address_ids
FROM read.document d, LATERAL (
    SELECT coalesce(array_agg(user_id), '{{}}') AS reader_ids,
        coalesce(array_agg(user_id) FILTER (WHERE role = '{DOCUMENT.roles[0]}'), '{{}}') AS manager_ids
    FROM (
        SELECT d.owner_id AS user_id, '{DOCUMENT.roles[0]}' AS role WHERE d.owner_kind = 'user'
        UNION ALL SELECT r.user_id, {ROLE_OF_MEMBER} FROM {MEMBER}
        WHERE d.owner_kind = 'team' AND r.team_id = d.owner_id
    ) x
) m
WHERE d.id = ANY(%s) AND {SHOWN}
"""  # noqa: S608 - our own words only

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
UNION SELECT d.id FROM read.document d WHERE {BELONGS_TO_MINE}
UNION SELECT a.document_id FROM {ROLES_HELD} a JOIN read.document d ON d.id = a.document_id WHERE {SHOWN}
UNION SELECT team_id FROM read.team_roster WHERE user_id = %(user_id)s AND role = ANY('{{{FOLLOWERS}}}')
"""  # noqa: S608 - our own words only


@dataclass(frozen=True, slots=True)
class FollowedThing:
    """A document or a team whose events the actor may follow."""

    id: UUID


Reason = Literal["owner", "team", "loan", "share", "link"]


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role of the actor, and its reason. `unused`: it is by a share that is bound to no user yet."""

    reason: Reason
    role: Role
    unused: bool = False
    link_id: UUID | None = None
    team_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class RolesOfOthers:
    """Whether the actor has roles on documents of others: by teams, or by shares, loans and links."""

    by_teams: bool
    otherwise: bool


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


TEAM_MODELS = ("team", "team_roster")
ROLES_OF_OTHERS_MODELS = (*TEAM_MODELS, "document_access", "document_team_share", "link_guest", "share_link")
ROLE_MODELS = (*ROLES_OF_OTHERS_MODELS, "user_profile")
"""The read models that roles on documents follow from."""


@reads("document", *ROLE_MODELS)
async def document_access(rows: ReadStore, actor: Actor, document_id: UUID, owner: Party) -> Access:
    """Return the actor's access to a document with this owner."""
    if _owns(actor, owner):
        return Access("owner")
    roles = await roles_on(rows, actor, document_id, owner)
    return Access(DOCUMENT.highest(each.role for each in roles), any(each.unused for each in roles))


@reads("document", *ROLE_MODELS)
async def roles_on(rows: ReadStore, actor: Actor, document_id: UUID, owner: Party) -> list[HeldRole]:
    """Return the actor's roles on a document with this owner, each with its reason."""
    if _owns(actor, owner):
        return [HeldRole("owner", "owner")]
    params = {"id": document_id, "user_id": actor.user_id, "address_id": actor.address_id}
    owner_ids = {"owner_id": owner.id if owner.kind == "user" else None, "team_id": team_of(owner)}
    return await rows.all(HeldRole, ROLES_ON_ONE, params | owner_ids)


def _owns(actor: Actor, owner: Party) -> bool:
    return owner.kind == "user" and owner.id == actor.user_id


@reads("document", *ROLES_OF_OTHERS_MODELS)
async def roles_of_others(rows: ReadStore, actor: Actor) -> RolesOfOthers:
    """Return what roles the actor has on documents of others."""
    found = await rows.one(RolesOfOthers, HOLDS_ROLES, {"user_id": actor.user_id, "address_id": actor.address_id})
    return found or RolesOfOthers(by_teams=False, otherwise=False)


def team_of(owner: Party) -> UUID | None:
    """Return the team that is the owner; None: it is a user."""
    return owner.id if owner.kind == "team" else None


def own_documents(columns: str, rest: str) -> str:
    """Return the query of the documents (`d`) that the actor owns, with their role. `rest`: of its conditions on."""
    return f"SELECT {columns}, '{DOCUMENT.roles[0]}' AS role FROM read.document d WHERE {OWNED} AND {rest}"  # noqa: S608


def team_documents(columns: str, rest: str) -> str:
    """Return the query of the documents (`d`) of the actor's teams, with the highest role."""
    return _of_teams(columns, rest, ROLES_HELD)


def team_documents_by_events(columns: str, rest: str) -> str:
    """Return the same query without the roles by links."""
    return _of_teams(columns, rest, ROLES_BY_EVENTS)


def shared_documents(columns: str, rest: str) -> str:
    """Return the query of the documents (`d`) of others on which the actor has roles by no team, with the highest."""
    return _of_others(columns, rest, ROLES_HELD)


def shared_by_events(columns: str, rest: str) -> str:
    """Return the same query without the roles by links."""
    return _of_others(columns, rest, ROLES_BY_EVENTS)


def _of_teams(columns: str, rest: str, held: str) -> str:
    # The rest is about each team by itself, so that an index has its order.
    return f"""
        SELECT x.* FROM {ROLES_BY_TEAM} AS m CROSS JOIN LATERAL (
            SELECT {columns}, (
                SELECT a.role FROM (
                    SELECT m.role UNION ALL SELECT held.role FROM {held} AS held WHERE held.document_id = d.id
                ) a ORDER BY array_position('{{{RANKING}}}', a.role) LIMIT 1
            ) AS role
            FROM read.document d WHERE d.owner_kind = 'team' AND d.owner_id = m.team_id AND {rest}
        ) x
    """  # noqa: S608 - columns of our own views


def _of_others(columns: str, rest: str, held: str) -> str:
    return f"""
        SELECT {columns}, a.role FROM (
            SELECT DISTINCT ON (document_id) document_id, role FROM {held} AS held
            ORDER BY document_id, array_position('{{{RANKING}}}', role)
        ) a JOIN read.document d ON d.id = a.document_id
        WHERE NOT {OWNED} AND NOT {BELONGS_TO_MINE} AND {SHOWN} AND {rest}
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


def documents_offered() -> str:
    """Return the query of the open offers of documents to the actor, or to a team that they answer for.

    It also takes `now`.
    """
    return f"""
        SELECT document_id, NULL::uuid AS team_id, offered_by, offered_at, expires_at
        FROM read.document_ownership_offer WHERE address_id = %(address_id)s AND expires_at > %(now)s
        UNION ALL SELECT o.document_id, o.team_id, o.offered_by, o.offered_at, o.expires_at
        FROM read.document_ownership_offer o
        JOIN {ROLES_BY_TEAM} AS m ON m.team_id = o.team_id AND m.role = '{DOCUMENT.roles[0]}'
        WHERE o.expires_at > %(now)s
    """  # noqa: S608 - our own words only


@reads(*TEAM_MODELS)
async def team_role(rows: ReadStore, actor: Actor, team_id: UUID, action: str) -> TeamRole | None:
    """Return the actor's role in a team, for an action; None: the actor is no member, or the team does not exist.

    Raises:
        RoleTooLow: the role is not enough for the action (`domain.access.TEAM`).
    """
    found = await rows.one(Membership, MEMBERSHIP, {"id": team_id, "user_id": actor.user_id})
    if found is None:
        return None
    TEAM.require(action, found.role)
    return found.role


@reads("document", *ROLE_MODELS)
async def readers_of(rows: ReadStore, document_ids: Iterable[UUID], team_ids: Iterable[UUID]) -> dict[UUID, Audience]:
    """Return the audiences of documents (owners, members of the team, people they are shared with) and of teams.

    A thing without an audience may be read by no user. Invited people may read a team, but do not follow its events.
    """
    found: list[Audience] = []
    for query, ids in ((DOCUMENT_AUDIENCE, [*document_ids]), (TEAM_AUDIENCE, [*team_ids])):
        if ids:
            found += await rows.all(Audience, query, [ids])
    return {each.id: each for each in found}


@reads("document", *ROLE_MODELS)
async def followed_by(rows: ReadStore, actor: Actor) -> list[UUID]:
    """Return the ids of all things whose events the actor may read, as `readers_of` and `own_of` say of each one."""
    found = await rows.all(FollowedThing, FOLLOWED, {"user_id": actor.user_id, "address_id": actor.address_id})
    return [*own_of(actor), *(each.id for each in found)]


def own_of(actor: Actor) -> frozenset[UUID]:
    """Return the ids of what only the actor may read: their account and their subscription."""
    return frozenset({actor.user_id, Subscription.id_of(Party("user", actor.user_id))})
