"""Who may do what: every resource, its roles, its actions, and the role and the scope that each action takes.

An action takes both. The access token must have the scope: HTTP checks that before it reads the body. The person must
have the role, or a higher one: aggregates check that for commands (`Resource.require`), `projections/visibility.py` for
reads. Tests compare this table with the aggregates, with the SQL, and with every HTTP operation.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from domain.kernel import Forbidden, NotFound

R = TypeVar("R", bound=str)

ANYONE = "anyone"
"""The role of an action that concerns no resource yet, or only those that belong to the person: any user may."""


class Person(Protocol):
    """A user, with the blind id of their verified email address (None: not verified yet).

    `lent`: roles that others give the person now (`application/admission.py`): share links, by the id of the document;
    teams, by the id of the team, on all that belongs to it.
    """

    @property
    def user_id(self) -> UUID: ...

    @property
    def address_id(self) -> UUID | None: ...

    @property
    def lent(self) -> Mapping[UUID, Any]: ...


class RoleTooLow(Forbidden):
    """The person may see the resource, but may not do this with it."""


class AddressNotVerified(Forbidden):
    """The person has not shown that their own email address is theirs."""


def require_verified(person: Person) -> None:
    """Refuse to give others access or to ask for it, in mails too, for an address that the person may not hold.

    Raises:
        AddressNotVerified
    """
    if person.address_id is None:
        raise AddressNotVerified("Verify your own email address and log in again; then you can invite, share and ask.")


@dataclass(frozen=True, slots=True)
class Rule:
    """What an action takes: the least role on the resource, and the scope of the token."""

    role: str
    scope: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something that people do with a resource, as its table has it."""

    resource: "Resource"
    name: str

    @property
    def rule(self) -> Rule:
        """What it takes."""
        return self.resource.rules[self.name]


class Resource:
    """A kind of thing that people have roles on.

    `roles`: from the highest to the lowest; each includes those after it. `guests`: the roles of people who see the
    resource without being part of it: to them, an action that they may not do is refused as if there were no resource.
    `advice`: whom to ask for a higher role.
    """

    def __init__(
        self,
        name: str,
        *,
        roles: tuple[str, ...],
        rules: Mapping[str, Rule],
        guests: tuple[str, ...] = (),
        advice: str = "the owner",
    ) -> None:
        self.name = name
        self.roles = roles
        self.rules = dict(rules)
        self._guests = guests
        self._advice = advice
        self._ranks = {role: -place for place, role in enumerate(roles)}

    def action(self, name: str) -> Action:
        """Return one of its actions.

        Raises:
            KeyError: the table has no such action.
        """
        action = Action(self, name)
        _ = action.rule
        return action

    def allows(self, action: str, role: str | None) -> bool:
        """Return whether the role (None: no role at all) is enough for the action."""
        least = self.rules[action].role
        return least == ANYONE or (role is not None and self._ranks[role] >= self._ranks[least])

    def require(self, action: str, role: str | None) -> None:
        """Refuse the action if the role is not enough for it.

        Raises:
            NotFound: without a role, or with a guest's, the resource does not exist for the person.
            RoleTooLow: the role is lower than the action takes.
        """
        if self.allows(action, role):
            return
        if role is None or role in self._guests:
            raise NotFound(f"There is no such {self.name}.")
        least = self.rules[action].role
        raise RoleTooLow(f"This takes the role {least}, and yours is {role}; ask {self._advice}.")

    def highest(self, roles: Iterable[R]) -> R | None:
        """Return the highest of some roles; None: there are none."""
        return max(roles, key=self._ranks.__getitem__, default=None)

    def roles_for(self, action: str) -> tuple[str, ...]:
        """Return the roles that are enough for the action, from the highest to the lowest."""
        return tuple(role for role in self.roles if self.allows(action, role))


DOCUMENT = Resource(
    "document",
    roles=("owner", "editor", "commenter", "viewer"),
    rules={
        "create": Rule(ANYONE, "documents:write"),
        "create_in_team": Rule("editor", "documents:write"),
        "list": Rule(ANYONE, "documents:read"),
        "change_many": Rule(ANYONE, "documents:write"),
        "forget_views": Rule(ANYONE, "documents:write"),
        "read": Rule("viewer", "documents:read"),
        "duplicate": Rule("viewer", "documents:write"),
        "leave": Rule("viewer", "documents:write"),
        "star": Rule("viewer", "documents:write"),
        "open_link": Rule(ANYONE, "documents:write"),
        "ask_for_access": Rule(ANYONE, "documents:write"),
        "comment": Rule("commenter", "documents:write"),
        "edit": Rule("editor", "documents:write"),
        "generate": Rule("editor", "documents:write"),
        "list_shares": Rule("owner", "documents:read"),
        "read_history": Rule("owner", "documents:read"),
        "share": Rule("owner", "documents:write"),
        "file": Rule("owner", "documents:write"),
        "file_in_team": Rule("editor", "documents:write"),
        "publish": Rule("owner", "documents:write"),
        "transfer": Rule("owner", "documents:write"),
        "answer_transfer": Rule(ANYONE, "documents:write"),
        "list_offers": Rule(ANYONE, "documents:read"),
        "offer_lent": Rule(ANYONE, "documents:write"),
        "trash": Rule("owner", "documents:write"),
        "restore": Rule("owner", "documents:write"),
    },
)
"""The owner is a user or a team; what the members of a team may do with its documents is in
`domain/content/team_roles.py`. Other roles come from shares, which name email addresses and bind to users at first use,
and from share links, which give a role to each user who opens them."""

TEAM = Resource(
    "team",
    roles=("owner", "admin", "editor", "viewer", "guest", "invited"),
    guests=("invited",),
    advice="an owner",
    rules={
        "found": Rule(ANYONE, "teams:write"),
        "list": Rule(ANYONE, "teams:read"),
        "ask_to_join": Rule(ANYONE, "teams:write"),
        "read": Rule("invited", "teams:read"),
        "answer_invitation": Rule("invited", "teams:write"),
        "list_members": Rule("viewer", "teams:read"),
        "leave": Rule("guest", "teams:write"),
        "list_invitations": Rule("admin", "teams:read"),
        "read_activity": Rule("admin", "teams:read"),
        "read_history": Rule("admin", "teams:read"),
        "list_domains": Rule("admin", "teams:read"),
        "manage_domains": Rule("admin", "teams:write"),
        "read_settings": Rule("admin", "teams:read"),
        "change_settings": Rule("admin", "teams:write"),
        "read_budget": Rule("admin", "teams:read"),
        "limit_budget": Rule("owner", "teams:write"),
        "read_provider_key": Rule("admin", "teams:read"),
        "manage_provider_key": Rule("admin", "teams:write"),
        "read_leaving": Rule("guest", "teams:read"),
        "read_removal": Rule("admin", "teams:read"),
        "read_dissolution": Rule("owner", "teams:read"),
        "rename": Rule("admin", "teams:write"),
        "invite": Rule("admin", "teams:write"),
        "revoke_invitation": Rule("admin", "teams:write"),
        "manage_members": Rule("admin", "teams:write"),
        "manage_owners": Rule("owner", "teams:write"),
        "transfer": Rule("owner", "teams:write"),
        "answer_transfer": Rule("guest", "teams:write"),
        "dissolve": Rule("owner", "teams:write"),
    },
)
"""Owners and admins manage the team; editors and viewers work in it. A guest sees the team, but not who is in it. The
holder of an address is invited until the invitation is answered."""

ACCOUNT = Resource(
    "user",
    roles=("oneself",),
    rules={
        "read": Rule("oneself", "users:read"),
        "change": Rule("oneself", "users:write"),
    },
)
"""A user's own account. Registering and logging in take no token."""

SUBSCRIPTION = Resource(
    "subscription",
    roles=("oneself",),
    rules={
        "read": Rule("oneself", "billing:read"),
        "change": Rule("oneself", "billing:write"),
    },
)
"""The plan and quota that a user pays for. Its scopes have the name of their subject, billing."""

MODEL = Resource("model", roles=(), rules={"list": Rule(ANYONE, "documents:read")})
"""The language models that can write in documents. They are the same for all users."""

AUDITOR = "auditor"
"""The role of users whom operators have appointed (`domain/identity/auditing.py`). No other token has its scopes."""

AUDIT = Resource(
    "audit",
    roles=(AUDITOR,),
    rules={"read_history": Rule(AUDITOR, "audit:read")},
    advice="an operator",
)
"""The history of all, read by auditors. The role is asked of the log for each answer, and each answer is recorded."""

EVENTS = Resource("events", roles=(), rules={"follow": Rule(ANYONE, "events:read")})
"""The stream of events. Of each resource it shows only to people who may read it, with the scope for reading it."""
