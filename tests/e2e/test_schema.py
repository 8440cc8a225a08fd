"""Requests made up from the OpenAPI schema: none is answered by a 5xx, or by what the schema does not say."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from infra.local.servers.redis import EmbeddedRedis
from tests.support.api import Account, Api, running_api
from tests.support.http import open_house, openapi_schema
from tests.support.servers import Cluster

EXAMPLES = 25


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
    """Somebody who may write as much as they like."""
    return api.account("pro", verified=True)


@pytest.fixture(scope="module")
def known(owner: Account) -> dict[str, str]:
    """Ids of things that are there, by the name of a path's parameter."""
    document = owner.client.post("/v1/documents", json={"title": "Notes"}).json()["id"]
    team = owner.client.post("/v1/teams", json={"name": "River watch", "slug": "river-watch"}).json()["id"]
    return {"document_id": document, "team_id": team}


schema = schemathesis.openapi.from_dict(openapi_schema())


@schema.parametrize()
@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_described(case: Case[Any], api: Api, owner: Account, known: dict[str, str]) -> None:
    point_at_what_is_there(case, known)
    wait_for_nothing(case)
    headers = {"Authorization": owner.client.headers["Authorization"]}
    # What fits the schema may still be refused by a rule: a cursor of another list, an address that is taken.
    case.call_and_validate(base_url=api.url, headers=headers, excluded_checks=[checks.positive_data_acceptance])


def point_at_what_is_there(case: Case[Any], known: dict[str, str]) -> None:
    """Replace half of the well-formed ids, which would lead nowhere."""
    for name, value in list(case.path_parameters.items()):
        if name in known and is_id(value) and UUID(value).int % 2:
            case.path_parameters[name] = known[name]


def wait_for_nothing(case: Case[Any]) -> None:
    """Let a stream end once it has told what there is."""
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

    async with open_house(send=send) as house:
        case = await asyncio.to_thread(planted, house.app)
        with pytest.raises(FailureGroup, match="Server error"):
            await asyncio.to_thread(case.call_and_validate)


def planted(app: FastAPI) -> Case[Any]:
    """A request to the app."""
    operation = schemathesis.openapi.from_asgi("/v1/openapi.json", app)["/v1/auth/login"]["POST"]
    return operation.Case(body={"email": "a@example.org", "password": "x"}, media_type="application/json")
