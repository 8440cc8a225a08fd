"""Cases of access: operations with the action that they carry out, people of every role, and things for them.

The cases of each context are in a file of its own, which adds to the lists here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from application.scopes import resources
from domain.access import ANYONE, Resource, Rule
from tests.support.api import Account, Api
from tests.support.http import openapi_schema

OUTSIDERS = ("stranger", "unverified")
"""People without a role. The unverified one has the address that is shared with, or invited, but did not verify it."""

PUBLIC: set[str] = set()
"""Operations that take no token."""

OWNERLESS = (ANYONE, "oneself")
"""Rules of actions for which no thing with an owner is needed."""


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
            for role in dict.fromkeys((*(role for each in resources().values() for role in each.roles), *OUTSIDERS))
        }

    def email(self, role: str) -> str:
        """The address of the account with the role."""
        return self.by_role[role].email

    def thing(self, resource: Resource, owner: Account | None = None) -> str:
        """A new thing on which the people have their roles; only its owner if that is another account.

        Answers its id. Every account's next reads show it.
        """
        owner = owner or self.by_role["owner"]
        id = MAKERS.get(resource.name, MAKERS["document"])(self, owner)
        for account in self.by_role.values():
            account.client.headers |= {"Consistency-Token": owner.client.headers["Consistency-Token"]}
        return id

    def request(self, role: str, operation: Operation, path: str, case: "Case", **more: Any) -> httpx2.Response:
        """Send the case's request as the person of the role."""
        client = self.by_role[role].client
        return client.request(operation.method, path, params=case.query, json=case.body(self), **more)


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
    query: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.operation} {self.note}".strip()

    @property
    def rule(self) -> Rule:
        """The row of the access table."""
        return self.resource.rules[self.action]

    @property
    def roles(self) -> tuple[str, ...]:
        """The people to try it as: for things with an owner those of each role, and outsiders."""
        return OUTSIDERS if self.rule.role in OWNERLESS else (*self.resource.roles, *OUTSIDERS)

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


CASES: list[Case] = []
"""At least one case for each operation that takes a token."""

MAKERS: dict[str, Callable[[People, Account], str]] = {}
"""How to make a thing, by the name of its resource; answers its id."""
