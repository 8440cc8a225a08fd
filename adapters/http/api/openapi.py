"""What OpenAPI says of every operation beside its signature: who may, which headers, every answer, examples."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from adapters.http.api.problems import MEDIA_TYPE, Problem
from adapters.http.api.responses import Answer
from adapters.http.api.routing import ApiRoute

JSON = "application/json"
EXAMPLE_ID = "0198f1c2-7b3a-7c4d-9e5f-0a1b2c3d4e5f"
EXAMPLE_TIME = "2026-11-22T12:00:00Z"

FAILS = "x-fails"
EXAMPLE = "x-example"

Schema = dict[str, Any]

PROBLEMS = {
    400: ("malformed", "It cannot be read: the body is no JSON, or a header does not have its form."),
    401: ("unauthenticated", "It does not say credibly who asks."),
    403: ("role_too_low", "Whoever asks may not do this."),
    404: ("not_found", "There is no such thing, or it does not exist for whoever asks."),
    408: ("too_slow", "The body was not in in time."),
    409: ("document_is_trashed", "The state of things does not allow it now; `code` names the rule."),
    412: ("stale_version", "The version in `If-Match` is not the current one."),
    413: ("too_large", "The body is larger than the limit."),
    415: ("not_json", "The body is not `application/json`."),
    422: ("not_valid", "It can be read, but breaks the schema or a rule for values; `errors` says where."),
    500: ("internal", "An error on our side."),
    503: ("unavailable", "A server we depend on does not answer; `Retry-After` says when to try again."),
}

HEADERS: dict[str, tuple[Schema, str]] = {
    "X-Request-Id": ({"type": "string", "format": "uuid"}, "Names the request in our logs and in its events."),
    "ETag": ({"type": "string", "pattern": '^"[0-9]+"$'}, "The version, for `If-Match` and `If-None-Match`."),
    "Location": ({"type": "string"}, "Where the result is."),
    "Consistency-Token": (
        {"type": "string", "pattern": "^[0-9]+$"},
        "Send it along with a read, which then shows this write.",
    ),
    "Consistency-Lag": (
        {"type": "string", "pattern": "^[0-9]+$"},
        "The answer is older than the Consistency-Token, by so many events: waiting longer was not allowed.",
    ),
    "Idempotency-Replayed": ({"type": "string", "const": "true"}, "This is the answer to the first such request."),
    "Retry-After": ({"type": "string", "pattern": "^[0-9]+$"}, "Seconds to wait before trying again."),
    "WWW-Authenticate": ({"type": "string"}, "What is wanted, and what was wrong (RFC 6750)."),
    "Allow": ({"type": "string"}, "The methods that the path has."),
}

PARAMETERS: dict[str, tuple[Schema, str, str]] = {
    "Idempotency-Key": (
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "Of your own making and new for each wish: repeats of the request are carried out once and answered alike.",
        "3f1d7a52-create",
    ),
    "If-Match": (
        {"type": "string", "pattern": r'^(\*|"[!#-~]*")$'},
        "The version, as in `ETag`, that you are changing. If it is no longer the current one: 412.",
        '"3"',
    ),
    "If-None-Match": (
        {"type": "string"},
        "The version, as in `ETag`, that you have. If it is the current one: 304.",
        '"3"',
    ),
    "Consistency-Token": (
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "As it came with a write: the answer will not be older, if waiting for it a little is enough.",
        "4711",
    ),
    "Last-Event-ID": (
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "The `id` that came last: what follows comes now.",
        "4711",
    ),
    "Prefer": (
        {"type": "string"},
        "`wait=SECONDS` (RFC 7240): how long to wait for the Consistency-Token, at most; 1 if not given.",
        "wait=2",
    ),
}


KEYED = ("Idempotency-Key",)
CONDITIONAL = (*KEYED, "If-Match")
FRESH = ("Consistency-Token", "Prefer")
FRESH_UNLESS_KNOWN = (*FRESH, "If-None-Match")

GIVEN_FOR = {
    "Idempotency-Key": ("Consistency-Token", "Idempotency-Replayed", "ETag"),
    "Consistency-Token": ("Consistency-Lag",),
    "If-None-Match": ("ETag",),
}
"""Headers of an answer, by the header that asks for them."""


def operation(
    returns: str,
    *,
    scope: str | None = None,
    example: object = None,
    takes: Sequence[str] = (),
    fails: Sequence[int] = (),
    status: int = 200,
) -> dict[str, Any]:
    """Arguments of a route: what it answers, the scope of the token it wants, and the headers it takes.

    `fails`: statuses of errors beyond those that follow from its signature and headers.
    """
    gives = ["X-Request-Id", *(["Location"] if status == 201 else [])]
    gives += [name for header in takes for name in GIVEN_FOR.get(header, ())]
    good: Schema = {"description": returns, "headers": {name: _ref("headers", name) for name in gives}}
    extra: Schema = {"parameters": [_ref("parameters", name) for name in takes], FAILS: fails, EXAMPLE: example}
    if scope is not None:
        extra["security"] = [{"token": [scope]}]
    return {"status_code": status, "response_class": Answer, "responses": {status: good}, "openapi_extra": extra}


def describe(app: FastAPI) -> Schema:
    """The OpenAPI schema of the app, complete."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        for route in app.routes:
            if isinstance(route, ApiRoute) and route.include_in_schema:
                _complete(route, schema["paths"][route.path_format])
        schema["components"] = _components(schema["components"])
        app.openapi_schema = schema
    return app.openapi_schema


def _complete(route: ApiRoute, methods: Schema) -> None:
    """Add the example and the answers that a route shares with others."""
    extra = route.openapi_extra or {}
    for method in route.methods or ():
        described = methods[method.lower()]
        described.pop(FAILS)
        described.pop(EXAMPLE, None)
        if described["description"].rstrip(".") == described["summary"]:
            del described["description"]
        # FastAPI would leave out what is null.
        good = described["responses"][str(route.status_code)]
        for content in good.get("content", {}).values():
            content["example"] = extra[EXAMPLE]
        described["responses"].update(_answers(route.path, described, extra[FAILS]))


def _answers(path: str, described: Schema, fails: Sequence[int]) -> Schema:
    """Every answer but the good one."""
    names = {parameter.get("$ref", "").rpartition("/")[2] for parameter in described["parameters"]}
    statuses = {422, 500, *fails}
    if "security" in described:
        statuses |= {401, 403, 503}
    if names & {"Idempotency-Key", "Consistency-Token", "Last-Event-ID"}:
        statuses |= {400}
    if "Idempotency-Key" in names:
        statuses |= {409, 503}
    if "If-Match" in names:
        statuses |= {412}
    if "requestBody" in described:
        statuses |= {400, 408, 413, 415}
    if "{" in path:
        statuses |= {404}
    answers = {str(status): _ref("responses", str(status)) for status in sorted(statuses)}
    if "If-None-Match" in names:
        answers["304"] = {"description": "Nothing has changed.", "headers": {"ETag": _ref("headers", "ETag")}}
    return answers


def _components(found: Schema) -> Schema:
    schemas = {name: schema for name, schema in found["schemas"].items() if "ValidationError" not in name}
    problem = TypeAdapter(Problem).json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs") | {"Problem": problem}
    return {
        "schemas": schemas,
        "parameters": {
            name: {"name": name, "in": "header", "schema": schema, "description": description, "example": example}
            for name, (schema, description, example) in PARAMETERS.items()
        },
        "headers": {name: {"schema": schema, "description": text} for name, (schema, text) in HEADERS.items()},
        "responses": {str(status): _problem(status, *words) for status, words in PROBLEMS.items()},
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
    }


def _problem(status: int, code: str, description: str) -> Schema:
    more = {401: "WWW-Authenticate", 403: "WWW-Authenticate", 404: "Consistency-Lag", 503: "Retry-After"}
    names = ["X-Request-Id", *([more[status]] if status in more else [])]
    example = {
        "type": f"urn:palimpsest:problem:{code}",
        "title": code.replace("_", " ").capitalize(),
        "status": status,
        "code": code,
        "detail": description,
        "request_id": EXAMPLE_ID,
        "errors": [],
    }
    return {
        "description": description,
        "headers": {name: _ref("headers", name) for name in names},
        "content": {MEDIA_TYPE: {"schema": _ref("schemas", "Problem"), "example": example}},
    }


def _ref(kind: str, name: str) -> Schema:
    return {"$ref": f"#/components/{kind}/{name}"}
