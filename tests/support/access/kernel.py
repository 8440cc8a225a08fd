"""Cases of access: operations with the action that they carry out, people of every role, and things for them.

The cases of each context are in a file of its own, which adds to the lists here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2

from application.scopes import resources, scopes_of_auditors
from domain.access import ANYONE, AUDITOR, Action, Resource, RoleTooLow, Rule
from domain.kernel import NotFound
from tests.support.api import Account, Api
from tests.support.http import openapi_schema

OUTSIDERS = ("stranger", "unverified")
"""People without a role. The unverified one has the address that is shared with, or invited, but did not verify it."""

PUBLIC: set[str] = set()
"""Operations that take no token."""

NOTHING = "0198f1c2-0000-7c4d-9e5f-0a1b2c3d4e5f"
"""An id of nothing."""
NOWHERE = dict.fromkeys(("session_id", "link_id", "folder_id", "request_id", "domain_id", "correlation_id"), NOTHING)
"""Parameters of paths that name parts of things."""
THINGS = ("document_id", "team_id", "generation_id", "comparison_id")
"""Parameters of paths that name the thing on which people have roles."""

OWNERLESS = (ANYONE, "oneself")
"""Rules of actions for which no thing with an owner is needed."""


@dataclass(frozen=True)
class Operation:
    """An operation as the OpenAPI schema describes it. `access`, `scope`: None if it takes no token.

    `ids`: the names of parameters of the path and fields of the body that are ids. `text`: its description. `kind`: the
    header that names the media type of the body, the first one if it takes several.
    """

    method: str
    path: str
    access: Action | None
    scope: str | None
    success: int
    ids: tuple[str, ...]
    example: Any
    text: str
    kind: dict[str, str]


@cache
def operations() -> dict[str, Operation]:
    """Every operation of the schema, by its id."""
    schema = openapi_schema()
    schemas = schema["components"]["schemas"]
    found = {}
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            body = _body_of(about, schemas)
            found[about["operationId"]] = Operation(
                method.upper(),
                path,
                _access_of(about),
                about["security"][0]["token"][0] if "security" in about else None,
                int(min(about["responses"])),
                _ids(about, body),
                body["examples"][0] if body else None,
                f"{about['summary']}. {about.get('description', '')}",
                {"Content-Type": next(iter(about["requestBody"]["content"]))} if body else {},
            )
    return found


def _ids(about: Mapping[str, Any], body: Mapping[str, Any]) -> tuple[str, ...]:
    fields = {each["name"]: each["schema"] for each in about["parameters"] if each.get("in") == "path"}
    fields |= body.get("properties", {})
    return tuple(name for name, kind in fields.items() if kind.get("format") == "uuid")


def _access_of(about: Mapping[str, Any]) -> Action | None:
    said = about.get("x-access")
    return said and resources()[said["resource"]].action(said["action"])


def _body_of(about: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    if "requestBody" not in about:
        return {}
    content, *_ = about["requestBody"]["content"].values()
    found: Mapping[str, Any] = schemas[content["schema"]["$ref"].rpartition("/")[2]]
    return found


class People:
    """One account for each role, and fresh things on which they have these roles."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._untouched: dict[str, str] = {}
        self.by_role = {
            role: api.account("pro", verified=role != "unverified")
            for role in dict.fromkeys((*(role for each in resources().values() for role in each.roles), *OUTSIDERS))
        }
        self.by_role[AUDITOR] = api.auditor()

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

    def untouched(self, resource: Resource) -> str:
        """A thing for requests that are refused: nothing changes it. Answers its id."""
        if resource.name not in self._untouched:
            self._untouched[resource.name] = self.thing(resource)
        return self._untouched[resource.name]

    def read(self, role: str, resource: Resource, id: str) -> Any:
        """What a person reads of a thing."""
        return self.by_role[role].read(VIEWS.get(resource.name, f"/v1/{resource.name}s/{{}}").format(id))

    def request(
        self, role: str, operation: Operation, path: str, case: "Case", headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send the case's request as the person of the role, with `headers` beside its own."""
        account = self.by_role[role]
        headers = {**operation.kind, **case.headers, **(headers or {})}
        answer = account.client.request(
            operation.method, path, params=case.query, json=case.body(self), headers=headers
        )
        if case.ends_session:
            verified = None if role == "unverified" else account.email
            account.client.headers["Authorization"] = f"Bearer {self._api.token(account.id, verified)}"
        return answer


@dataclass(frozen=True)
class Case:
    """One request of an operation, and what it sends. `action`: what it does, if that takes more than the operation
    itself.

    `states`: statuses by role where the action is allowed, but the state of the thing is against it. `about`: the role
    of the user whom the path names. `ends_session`: the person needs another session afterwards.
    """

    operation: str
    body: Callable[[People], Any] = lambda _: None
    states: Mapping[str, int] = field(default_factory=dict)
    about: str = "viewer"
    note: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    ends_session: bool = False
    action: str | None = None

    def __str__(self) -> str:
        return f"{self.operation} {self.note}".strip()

    @property
    def access(self) -> Action:
        """The action in the access table."""
        access = operations()[self.operation].access
        assert access is not None
        return access if self.action is None else access.resource.action(self.action)

    @property
    def resource(self) -> Resource:
        """What it is about."""
        return self.access.resource

    @property
    def rule(self) -> Rule:
        """The row of the access table."""
        return self.access.rule

    @property
    def roles(self) -> tuple[str, ...]:
        """The people to try it as: for things with an owner those of each role, and outsiders."""
        return OUTSIDERS if self.rule.role in OWNERLESS else (*self.resource.roles, *OUTSIDERS)

    def status(self, role: str, success: int) -> int:
        """The expected status of the answer, for a person of this role."""
        if self.rule.scope in scopes_of_auditors() and role != AUDITOR:
            return 403
        own = "oneself" if self.rule.role == "oneself" else role if role in self.resource.roles else None
        if self.resource.allows(self.access.name, own):
            return self.states.get(role, success)
        try:
            self.resource.require(self.access.name, own)
        except NotFound:
            return 404
        except RoleTooLow:
            return 403
        raise AssertionError("the table allows and refuses it")

    def is_refused(self, role: str) -> bool:
        """Whether the table does not allow it to a person of this role."""
        return self.status(role, 0) in (403, 404)

    def path(self, template: str, id: str, people: People, **others: str) -> str:
        """The path to request: of the thing, its first version and, where it names a user, the one it is about.

        `others`: parameters to replace.
        """
        user_id = str(people.by_role[self.about].id)
        named = {
            **dict.fromkeys(THINGS, id),
            "version": "1",
            "month": "2026-11",
            "user_id": user_id,
            "topic": "user",
            "aggregate_id": user_id,
            **NOWHERE,
            **others,
        }
        return template.format(**named)


CASES: list[Case] = []
"""At least one case for each operation that takes a token."""

VIEWS: dict[str, str] = {}
"""Where a thing is read, by the name of its resource, if not under that name."""

MAKERS: dict[str, Callable[[People, Account], str]] = {}
"""How to make a thing, by the name of its resource; answers its id."""
