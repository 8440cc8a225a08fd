"""Every operation of the HTTP API with the action of the access table that it carries out, and people of every role."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx2

from domain.access import ACCOUNT, ANYONE, DOCUMENT, EVENTS, SUBSCRIPTION, TEAM, Resource, Rule
from tests.support.api import Account, Api
from tests.support.http import openapi_schema

OUTSIDERS = ("stranger", "unverified")
"""People without a role. The unverified one has the address that is shared with, or invited, but did not verify it."""

PUBLIC = {"register", "log_in", "live", "ready", "jwks"}
"""Operations that take no token."""


@dataclass(frozen=True)
class Operation:
    """An operation as the OpenAPI schema describes it. `scope` is empty if it takes no token."""

    method: str
    path: str
    scope: str
    success: int


def operations() -> dict[str, Operation]:
    """Every operation of the schema, by its id."""
    found = {}
    for path, methods in openapi_schema()["paths"].items():
        for method, about in methods.items():
            scope = about["security"][0]["token"][0] if "security" in about else ""
            found[about["operationId"]] = Operation(method.upper(), path, scope, int(min(about["responses"])))
    return found


class People:
    """One account for each role, and fresh things on which they have these roles."""

    def __init__(self, api: Api) -> None:
        self.by_role = {
            role: api.account("pro", verified=role != "unverified")
            for role in (*DOCUMENT.roles, *TEAM.roles[1:], *OUTSIDERS)
        }

    def email(self, role: str) -> str:
        """The address of the account with the role."""
        return self.by_role[role].email

    def thing(self, resource: Resource, owner: Account | None = None) -> str:
        """A new document or team; answers its id. Every account's next reads show it."""
        owner = owner or self.by_role["owner"]
        id = self._team(owner) if resource is TEAM else self._document(owner)
        for account in self.by_role.values():
            account.client.headers |= {"Consistency-Token": owner.client.headers["Consistency-Token"]}
        return id

    def request(self, role: str, operation: Operation, path: str, case: "Case", **more: Any) -> httpx2.Response:
        """Send the case's request as the person of the role."""
        query = {"wait": "0"} if case.resource is EVENTS else None
        client = self.by_role[role].client
        return client.request(operation.method, path, params=query, json=case.body(self), **more)

    def _document(self, owner: Account) -> str:
        path = owner.document()
        if owner is self.by_role["owner"]:
            for role, given in {**{role: role for role in DOCUMENT.roles[1:]}, "unverified": "editor"}.items():
                owner.write("POST", f"{path}/shares", json={"email": self.email(role), "role": given})
        return path.rpartition("/")[2]

    def _team(self, owner: Account) -> str:
        path = owner.write("POST", "/v1/teams", 201, json={"name": "Crew", "slug": uuid4().hex}).headers["Location"]
        if owner is self.by_role["owner"]:
            for role, given in (
                ("admin", "admin"),
                ("member", "member"),
                ("invited", "member"),
                ("unverified", "admin"),
            ):
                owner.write("POST", f"{path}/invitations", json={"email": self.email(role), "role": given})
            for role in ("admin", "member"):
                accepted = self.by_role[role].write("POST", f"{path}/invitations/accept")
                owner.client.headers["Consistency-Token"] = accepted.headers["Consistency-Token"]
        return str(path).rpartition("/")[2]


@dataclass(frozen=True)
class Case:
    """One request of an operation: the action that it carries out, and what it sends.

    `states`: statuses by role where the action is allowed, but the state of the thing is against it. `about`: the role
    of the user whom the path names.
    """

    operation: str
    resource: Resource
    action: str
    body: Callable[[People], Any] = lambda _: None
    states: Mapping[str, int] = field(default_factory=dict)
    about: str = "member"
    note: str = ""

    def __str__(self) -> str:
        return f"{self.operation} {self.note}".strip()

    @property
    def rule(self) -> Rule:
        """The row of the access table."""
        return self.resource.rules[self.action]

    @property
    def roles(self) -> tuple[str, ...]:
        """The people to try it as: for things with an owner those of each role, and outsiders."""
        return OUTSIDERS if self.rule.role in (ANYONE, "oneself") else (*self.resource.roles, *OUTSIDERS)

    def status(self, role: str, success: int) -> int:
        """The expected status of the answer, for a person of this role."""
        own = "oneself" if self.rule.role == "oneself" else role if role in self.resource.roles else None
        if self.resource.allows(self.action, own):
            return self.states.get(role, success)
        return 404 if own in (None, "invited") else 403

    def path(self, template: str, id: str, people: People) -> str:
        """The path to request: of the thing, its first version and, where it names a user, the one it is about."""
        user_id = str(people.by_role[self.about].id)
        return template.format(document_id=id, team_id=id, version=1, user_id=user_id)


def _share(people: People) -> dict[str, str]:
    return {"email": people.email("viewer"), "role": "viewer"}


def _reader(people: People) -> dict[str, str]:
    return {"email": people.email("viewer")}


def _invitation(people: People) -> dict[str, str]:
    # With another role: the address holds a seat already, and a team has five.
    return {"email": people.email("invited"), "role": "admin"}


def _invited(people: People) -> dict[str, str]:
    return {"email": people.email("invited")}


IS_LAST_OWNER = {"owner": 409}
NO_INVITATION = {"owner": 404, "admin": 404, "member": 404}

CASES = [
    Case("list_documents", DOCUMENT, "list"),
    Case("create_document", DOCUMENT, "create", lambda _: {"title": "New"}),
    Case("get_document", DOCUMENT, "read"),
    Case("list_versions", DOCUMENT, "read"),
    Case("get_version", DOCUMENT, "read"),
    Case("change_document", DOCUMENT, "edit", lambda _: {"title": "B", "content": "B", "status": "draft"}),
    Case("restore_version", DOCUMENT, "edit"),
    Case("list_shares", DOCUMENT, "list_shares"),
    Case("share_document", DOCUMENT, "share", _share),
    Case("change_share", DOCUMENT, "share", _share),
    Case("revoke_share", DOCUMENT, "share", _reader),
    Case("trash_document", DOCUMENT, "trash"),
    Case("restore_document", DOCUMENT, "restore"),
    Case("list_teams", TEAM, "list"),
    Case("found_team", TEAM, "found", lambda _: {"name": "New", "slug": uuid4().hex}),
    Case("get_team", TEAM, "read"),
    Case("list_members", TEAM, "list_members"),
    Case("rename_team", TEAM, "rename", lambda _: {"name": "B"}),
    Case("invite_member", TEAM, "invite", _invitation),
    Case("revoke_invitation", TEAM, "revoke_invitation", _invited),
    Case("accept_invitation", TEAM, "answer_invitation"),
    Case("decline_invitation", TEAM, "answer_invitation", states=NO_INVITATION),
    Case("change_member_role", TEAM, "manage_members", lambda _: {"role": "admin"}),
    Case("change_member_role", TEAM, "manage_owners", lambda _: {"role": "owner"}, note="to owner"),
    Case("change_member_role", TEAM, "manage_owners", lambda _: {"role": "admin"}, IS_LAST_OWNER, "owner", "of owner"),
    Case("remove_member", TEAM, "manage_members"),
    Case("remove_member", TEAM, "manage_owners", states=IS_LAST_OWNER, about="owner", note="an owner"),
    Case("leave_team", TEAM, "leave", states=IS_LAST_OWNER),
    Case("transfer_ownership", TEAM, "transfer", lambda people: {"user_id": str(people.by_role["member"].id)}),
    Case("dissolve_team", TEAM, "dissolve"),
    Case("get_me", ACCOUNT, "read"),
    Case("change_me", ACCOUNT, "change", lambda _: {"name": "New"}),
    Case("get_subscription", SUBSCRIPTION, "read"),
    Case("stream_events", EVENTS, "follow"),
]
"""At least one case for each operation that takes a token."""
