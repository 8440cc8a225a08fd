"""Requests generated from the OpenAPI schema: no response is a 5xx or differs from the schema."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from infra.local.servers.redis import EmbeddedRedis
from tests.support.api import Account, Api, running_api
from tests.support.http import open_http_api, openapi_schema
from tests.support.servers import Cluster

EXAMPLES = 10


@pytest.fixture(scope="module")
def api(cluster: Cluster, redis_server: EmbeddedRedis) -> Iterator[Api]:
    """The running service; it does not wait for positions that are made up."""
    with (
        cluster.database() as database,
        running_api(database.admin_url, redis_server.url, PALIMPSEST_READ_WAIT_MAX=0) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def owner(api: Api) -> Account:
    """A user without a quota."""
    return api.account("pro", verified=True)


@pytest.fixture(scope="module")
def known(owner: Account) -> dict[str, str]:
    """Ids of existing aggregates, by the name of a path parameter."""
    document = owner.client.post("/v1/documents", json={"title": "Notes"}).json()["id"]
    team = owner.client.post("/v1/teams", json={"name": "River watch", "slug": "river-watch"}).json()["id"]
    return {"document_id": document, "team_id": team}


@pytest.fixture(scope="module")
def visitor(api: Api) -> Account:
    """A user who logs in again for each operation that ends sessions."""
    return api.account("pro", verified=True)


ENDS_SESSIONS = ("/v1/auth/logout", "/v1/auth/logout-everywhere", "/v1/users/change-password")
REFUSALS = [400, 401, 403, 404, 409, 412, 414, 415, 422, 431]
CHECKS = {"negative_data_rejection": {"expected-statuses": [str(status) for status in REFUSALS]}}
schema = schemathesis.openapi.from_dict(openapi_schema(), config=SchemathesisConfig.from_dict({"checks": CHECKS}))


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # threads of other fixtures do, meanwhile
@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(
    case: Case[Any], api: Api, owner: Account, visitor: Account, known: dict[str, str]
) -> None:
    point_at_what_is_there(case, known)
    wait_for_nothing(case)
    headers = {"Authorization": owner.client.headers["Authorization"]}
    if case.path in ENDS_SESSIONS:
        headers = {"Authorization": f"Bearer {api.token(visitor.id)}"}
    # What fits the schema may still be refused by a rule: a cursor of another list, an address that is taken.
    case.call_and_validate(base_url=api.url, headers=headers, excluded_checks=[checks.positive_data_acceptance])


def point_at_what_is_there(case: Case[Any], known: dict[str, str]) -> None:
    """Replace half of the well-formed ids by existing ones."""
    for name, value in list(case.path_parameters.items()):
        if name in known and is_id(value) and UUID(value).int % 2:
            case.path_parameters[name] = known[name]


def wait_for_nothing(case: Case[Any]) -> None:
    """Let a stream end at the end of the log."""
    if case.path.endswith("/stream") and str(case.query.get("wait", "1")).isdecimal():
        case.query["wait"] = 0


def is_id(value: object) -> bool:
    """Whether this is a well-formed id."""
    try:
        UUID(str(value))
    except ValueError:
        return False
    return True


async def test_a_planted_fault_is_found() -> None:
    async def send(command: object, call: object) -> object:
        raise RuntimeError

    async with open_http_api(send=send) as opened:
        case = await asyncio.to_thread(planted, opened.app)
        with pytest.raises(FailureGroup, match="Server error"):
            await asyncio.to_thread(case.call_and_validate)


def planted(app: FastAPI) -> Case[Any]:
    """A request to the app."""
    operation = schemathesis.openapi.from_asgi("/v1/openapi.json", app)["/v1/auth/login"]["POST"]
    return operation.Case(body={"email": "a@example.org", "password": "x"}, media_type="application/json")
