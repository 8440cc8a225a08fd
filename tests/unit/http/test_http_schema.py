"""The OpenAPI schema says all there is to say, of every operation."""

import inspect
import re
from hashlib import sha256
from typing import Any

import pytest

from adapters.http.api.routers import find_routers
from adapters.http.api.routing import ApiRoute
from adapters.http.service.docs import ASSETS, page
from tests.support.http import open_http_api, openapi_schema

SCHEMA = openapi_schema()
Operation = dict[str, Any]

MEDIA = {
    "/v1/events/stream": "text/event-stream",
    "/v1/generations/{generation_id}/events": "text/event-stream",
    "/v1/log/checkpoint": "text/plain",
    "/v1/log/proof/{position}": "text/plain",
}
"""What operations answer that do not answer JSON."""
NEVER_BEHIND = {
    "/v1/documents/{document_id}/filing",
    "/v1/analytics/usage",
    "/v1/teams/{team_id}/budget",
    "/v1/comparisons/{comparison_id}",
    "/v1/generations/{generation_id}",
    "/v1/generations/{generation_id}/receipt",
    "/v1/documents/{document_id}/versions/diff",
    "/v1/users/me/provider-key",
    "/v1/teams/{team_id}/provider-key",
    "/v1/users/me/sessions",
    "/v1/audit/states/{topic}/{aggregate_id}",
    "/v1/audit/states/{topic}/{aggregate_id}/difference",
    "/v1/audit/requests/{request_id}",
}
"""Paths of reads without a read model."""


def operations() -> list[tuple[str, str, Operation]]:
    """Method, path and description of every operation."""
    return [
        (method, path, described) for path, methods in SCHEMA["paths"].items() for method, described in methods.items()
    ]


def names(described: Operation) -> set[str]:
    """The headers that an operation takes."""
    return {parameter["$ref"].rpartition("/")[2] for parameter in described["parameters"] if "$ref" in parameter}


@pytest.mark.parametrize(("method", "path", "described"), operations())
def test_an_operation_is_described_whole(method: str, path: str, described: Operation) -> None:
    assert re.fullmatch("[a-z]+(_[a-z]+)*", described["operationId"])
    assert re.fullmatch(r"[A-Z].*[^.]", described["summary"])
    good = min(described["responses"])
    if good != "204":
        contents = described["responses"][good]["content"]
        assert MEDIA.get(path, "application/json") in contents
        assert all(content["example"] for content in contents.values())
    assert described["responses"].keys() >= {"500"}
    assert path.startswith("/v1/") or "security" not in described
    if path.startswith("/v1/") and not path.startswith(("/v1/auth/", "/v1/errors", "/v1/log/", "/v1/public/")):
        (scope,) = described["security"][0]["token"]
        assert scope.endswith(":read" if method == "get" else ":write")
        assert described["responses"].keys() >= {"401", "403", "503"}
        conditions = {"Consistency-Token", "If-None-Match", "Last-Event-ID"} if method == "get" else {"Idempotency-Key"}
        assert names(described) & conditions or path in NEVER_BEHIND


def test_an_operation_says_what_its_docstring_says() -> None:
    """Survived a mutation: the first sentence is the summary, all others are the description."""
    routes = [route for router in find_routers() for route in router.routes if isinstance(route, ApiRoute)]
    docs = {route.endpoint.__name__: inspect.getdoc(route.endpoint) for route in routes}
    for _, _, described in operations():
        summary, description = described["summary"], described.get("description")
        assert ". " not in summary
        sentences = f"{summary}." if description is None else f"{summary}. {description}"
        assert sentences == docs[described["operationId"]]


def test_what_a_body_leaves_out_has_a_default() -> None:
    """Survived a mutation: the role of an invitation, and the content of a document."""
    defaults = {
        (name, field): schema["default"]
        for name, about in SCHEMA["components"]["schemas"].items()
        for field, schema in about["properties"].items()
        if "default" in schema and name in {"NewDocument", "Invitation", "NewUser", "NewTeam", "ShareRequest"}
    }
    assert defaults == {("NewDocument", "content"): "", ("Invitation", "role"): "editor"}


def test_operations_have_names_of_their_own() -> None:
    found = [described["operationId"] for _, _, described in operations()]
    assert len(found) == len(set(found))


def test_every_body_shows_an_example_that_fits_it() -> None:
    bodies = [
        content["schema"]["$ref"].rpartition("/")[2]
        for _, _, described in operations()
        if "requestBody" in described
        for content in described["requestBody"]["content"].values()
    ]
    for name in bodies:
        schema = SCHEMA["components"]["schemas"][name]
        assert schema["additionalProperties"] is False
        assert set(schema.get("required", ())) <= schema["examples"][0].keys() <= set(schema["properties"])


@pytest.mark.parametrize(("method", "path", "described"), operations())
def test_an_example_answer_has_the_fields_of_its_schema(method: str, path: str, described: Operation) -> None:
    content = described["responses"][min(described["responses"])].get("content")
    if content is not None and "application/json" in content:
        check(content["application/json"]["schema"], content["application/json"]["example"])


def check(schema: Operation, example: Any) -> None:
    """Compare names of fields, at every depth."""
    schema = SCHEMA["components"]["schemas"][schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    if schema.get("type") == "array":
        for each in example:
            check(schema["items"], each)
    elif "properties" in schema:
        assert example.keys() == schema["properties"].keys()
        for name, inner in schema["properties"].items():
            check(inner, example[name])


def test_every_reference_leads_somewhere() -> None:
    for reference in re.findall(r"'\$ref': '#/([^']+)'", repr(SCHEMA)):
        found: Any = SCHEMA
        for part in reference.split("/"):
            found = found[part]


async def test_the_schema_and_a_page_that_needs_nothing_else_are_served() -> None:
    async with open_http_api() as api:
        served, shown = await api.client.get("/v1/openapi.json"), await api.client.get("/v1/docs")
    assert served.json() == SCHEMA
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert shown.headers["content-security-policy"] == page().policy.decode()
    assert "unsafe" not in shown.headers["content-security-policy"]
    assert not re.findall(r'(?:src|href)="(?!/v1/)', shown.text)


def test_case_8_the_description_is_of_the_server_that_it_comes_from() -> None:
    """Without `servers`, paths belong to the address that the description was loaded from (OpenAPI 3.1, 4.8.1)."""
    assert "servers" not in SCHEMA


async def test_the_root_leads_to_the_reference() -> None:
    """Case 15: a person opens the printed address in a browser."""
    async with open_http_api() as api:
        answer = await api.client.get("/")
    assert (answer.status_code, answer.headers["location"]) == (307, "/v1/docs")


async def test_what_the_reference_loads_is_served_as_it_was_published() -> None:
    """Case 15: unchanged, of the right type, and from nowhere else."""
    async with open_http_api() as api:
        shown = await api.client.get("/v1/docs")
        loaded = re.findall(r'(?:src|href)="(/v1/docs/[^"]+)', shown.text)
        assert {path.rpartition("/")[2] for path in loaded} == set(ASSETS)
        for path in loaded:
            answer = await api.client.get(path)
            media, digest = ASSETS[path.rpartition("/")[2]]
            assert answer.headers["content-type"] == media.decode()
            assert sha256(answer.content).hexdigest() == digest
        assert (await api.client.get("/v1/docs/README.md")).status_code == 422
