"""OpenAPI beyond signatures: the scope, headers, responses and examples of every operation."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import TypeAdapter

from adapters.http.api.cookies import ACCESS_COOKIE
from adapters.http.api.deprecation import Deprecation
from adapters.http.api.examples import EXAMPLE_ID, SchemaObject, example_of
from adapters.http.api.limits import LimitName
from adapters.http.api.problems import MEDIA_TYPE, Problem, title_of, type_of
from adapters.http.api.responses import Answer
from adapters.http.api.routing import DEPRECATION, LIMITS, ApiRoute
from domain.access import Action

FAILS = "x-fails"
ACCESS = "x-access"
"""The row of the access table (`domain/access.py`) that an operation asks; part of the schema."""

PROBLEMS = {
    400: ("malformed", "The request cannot be parsed: the body is not JSON, or a header is malformed."),
    401: ("unauthenticated", "Authentication is missing or invalid."),
    403: ("role_too_low", "The caller's role or token does not allow this."),
    404: ("not_found", "The resource does not exist, or the caller may not see it."),
    408: ("too_slow", "The request was not received in time."),
    409: ("document_is_trashed", "The current state does not allow this; `code` names the rule."),
    412: ("stale_version", "The current version is not one that `If-Match` and `If-None-Match` allow."),
    413: ("too_large", "The body is larger than the limit."),
    414: ("target_too_long", "The path and the query are longer than the limit."),
    415: ("not_json", "The body has another media type, or is not in UTF-8, or it has a `Content-Encoding`."),
    422: ("not_valid", "The request can be parsed, but violates the schema or a rule for values; `errors` says where."),
    428: ("version_needed", "Edits belong to one version of the content; send its ETag as `If-Match`."),
    429: ("rate_limited", "The caller has sent too many requests; `Retry-After` says when the next one may pass."),
    431: ("head_too_large", "The request headers are larger than the limit, or too many."),
    500: ("internal", "An unexpected error on our side, or (`unreadable`) damaged data: then a repeat does not help."),
    501: ("unsupported_coding", "The body has another `Transfer-Encoding` than `chunked`."),
    503: ("unavailable", "A server that the service depends on does not answer; `Retry-After` says when to retry."),
}

COOKIES = (
    "Set by a login in cookie mode. Requests that may change something also send the CSRF token of the session as "
    "`X-CSRF-Token`."
)

TAG = r'(W/)?"[!#-~]*"'
TAGS = rf"^(\*|{TAG}([ \t]*,[ \t]*{TAG})*)$"

HEADERS: dict[str, tuple[SchemaObject, str]] = {
    "X-Request-Id": (
        {"type": "string", "format": "uuid"},
        "Our id of the request, in our logs and in its events. An `X-Request-Id` that you send is logged beside it.",
    ),
    "ETag": (
        {"type": "string", "pattern": '^"[0-9]+(-[0-9]+)*(-gzip)?"$'},
        "The state that was read or written, for `If-Match` and `If-None-Match`; its parts have no meaning. "
        "Compressed responses have tags of their own, which conditions take as those of the same state.",
    ),
    "Location": ({"type": "string"}, "The path of the result."),
    "Link": ({"type": "string"}, 'The next page of a list, with `rel="next"` (RFC 8288); none on the last page.'),
    "Deprecation": (
        {"type": "string", "pattern": "^@[0-9]+$"},
        "When the operation was deprecated, in seconds since 1970 (RFC 9745). `Link` has a page that says what to use.",
    ),
    "Sunset": ({"type": "string"}, "When the operation will end (RFC 8594)."),
    "Consistency-Token": (
        {"type": "string", "pattern": "^[0-9]+$"},
        "The position of this write. Send it with a read, so that the read shows the write.",
    ),
    "Consistency-Lag": (
        {"type": "string", "pattern": "^[0-9]+$"},
        "The number of events by which the response is older than the Consistency-Token; the wait was too short.",
    ),
    "Idempotency-Replayed": (
        {"type": "string", "const": "true"},
        "The first request with this key was executed; this is its answer, for as long as the caller may read it.",
    ),
    "RateLimit-Policy": (
        {"type": "string"},
        "The limits of this request, as a list: the name of each, `q` requests in `w` seconds "
        "(draft-ietf-httpapi-ratelimit-headers-10).",
    ),
    "RateLimit": (
        {"type": "string"},
        "What is left of these limits: `r` requests at once; after `t` seconds all of them again or, if none is left, "
        "the next one.",
    ),
    "X-RateLimit-Limit": ({"type": "string", "pattern": "^[0-9]+$"}, "As `q`, of the limit with the least left."),
    "X-RateLimit-Remaining": ({"type": "string", "pattern": "^[0-9]+$"}, "As `r`, of the limit with the least left."),
    "X-RateLimit-Reset": ({"type": "string", "pattern": "^[0-9]+$"}, "As `t`, of the limit with the least left."),
    "Retry-After": ({"type": "string", "pattern": "^[0-9]+$"}, "Seconds to wait before a retry."),
    "Challenge-Work": (
        {"type": "string", "pattern": "^[0-4]$"},
        "The work of the challenge to solve instead of waiting: see `/v1/auth/challenge`.",
    ),
    "Accept-Encoding": ({"type": "string"}, "The codings of bodies that are accepted, where the body had another one."),
    "Accept-Patch": ({"type": "string"}, "The media types that are accepted, where the body had another one."),
    "Preference-Applied": ({"type": "string"}, "The part of `Prefer` that was followed."),
    "WWW-Authenticate": ({"type": "string"}, "The required authentication, and the error (RFC 6750)."),
    "Allow": ({"type": "string"}, "The methods of the path."),
}

PARAMETERS: dict[str, tuple[SchemaObject, str, str]] = {
    "Challenge-Solution": (
        {"type": "string", "maxLength": 4096},
        "The solution of a challenge, in base64, where too many attempts have failed. It counts once.",
        "eyJjaGFsbGVuZ2UiOnsicGFyYW1ldGVycyI6e319fQ==",
    ),
    "Idempotency-Key": (
        {"type": "string", "pattern": "^[!-~]{1,255}$"},
        "A client-generated key, unique per operation. Retries with the same key are executed once and get the same "
        "response.",
        "3f1d7a52-create",
    ),
    "If-Match": (
        {"type": "string", "pattern": TAGS},
        "The states to read or change, as in `ETag`. If none of them is the current one: 412. Weak tags never match.",
        '"3"',
    ),
    "If-None-Match": (
        {"type": "string", "pattern": TAGS},
        "The states that you have, as in `ETag`; `*`: any. If one is the current one: a read answers 304, a write 412.",
        '"3"',
    ),
    "Consistency-Token": (
        {"type": "string", "pattern": "^[0-9]{1,18}$"},
        "The token of a write. The read waits until it can show that write, for as long as `Prefer` allows.",
        "4711",
    ),
    "Last-Event-ID": (
        {"type": "string", "pattern": "^[0-9]{1,18}(-[0-9]{1,18})?$"},
        "The last `id` received; the stream continues after it.",
        "4711",
    ),
    "Prefer": (
        {"type": "string"},
        "RFC 7240. Of reads, `wait=SECONDS`: the maximum wait for the Consistency-Token, 1 by default; of a generation "
        "for its end, 0 by default. Of writes, "
        "`return=minimal`: a response without a body, if it would be the state that `ETag` names.",
        "wait=2",
    ),
}


KEYED = ("Idempotency-Key",)
CONDITIONS = ("If-Match", "If-None-Match")
"""Of every operation that answers an ETag, but creations. Others refuse `If-Match`, writes also `If-None-Match`."""
CREATED = (*KEYED, "Prefer")
"""Of creations that answer a state, with its ETag: on request without a body."""
CONDITIONAL = (*KEYED, *CONDITIONS, "Prefer")
"""Of other writes that answer a state, with its ETag: on request without a body."""
FRESH = ("Consistency-Token", "Prefer")
FRESH_UNLESS_KNOWN = (*FRESH, *CONDITIONS)

QUOTA_HEADERS = (
    "RateLimit-Policy",
    "RateLimit",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
"""Headers of every response to a request that was charged."""

PROBLEM_HEADERS: dict[int, tuple[str, ...]] = {
    401: ("WWW-Authenticate",),
    403: ("WWW-Authenticate",),
    404: ("Consistency-Lag",),
    415: ("Accept-Encoding", "Accept-Patch"),
    429: ("Retry-After", "Challenge-Work", *QUOTA_HEADERS),
    503: ("Retry-After",),
}
"""Headers of errors, by status."""

RESPONSE_HEADERS = {
    "Idempotency-Key": ("Consistency-Token", "Idempotency-Replayed"),
    "Consistency-Token": ("Consistency-Lag",),
    "If-None-Match": ("ETag",),
}
"""Headers of a response, by the request header that they belong to."""


def operation(
    returns: str,
    *,
    access: Action | None = None,
    takes: Sequence[str] = (),
    gives: Sequence[str] = (),
    fails: Sequence[int] = (),
    status: int = 200,
    limits: Sequence[LimitName] | None = None,
    media: Mapping[str, str] | None = None,
    deprecated: Deprecation | None = None,
) -> dict[str, Any]:
    """Return the arguments of a route. `returns` describes the good response, `takes` names request headers,
    `gives` response headers beyond those that follow from them.

    `access`: what the operation does, hence the scope of the token and the role that it takes; None: it takes no token.
    `fails`: statuses of errors beyond those that follow from the signature and the headers. `limits`: those that a
    request is charged to; None: that of the user if it takes a token, else that of the network. `media`:
    other media types that a good response may have instead of JSON, each with an example. `deprecated`: it will end.
    """
    found = ["X-Request-Id", *(["Location"] if status == 201 else []), *gives]
    if "Idempotency-Key" in takes and "Prefer" in takes:
        found += ["ETag"] if status == 200 else ["ETag", "Preference-Applied"]
    found += [] if deprecated is None else ["Deprecation", "Sunset"]
    if status != 202:  # what is only accepted has no state yet
        found += [name for header in takes for name in RESPONSE_HEADERS.get(header, ()) if name not in found]
    good: SchemaObject = {"description": returns, "headers": {name: _ref("headers", name) for name in found}}
    if media:
        good["content"] = {name: {"schema": {"type": "string"}, "example": text} for name, text in media.items()}
    extra: SchemaObject = {"parameters": [_ref("parameters", name) for name in takes], FAILS: fails}
    if limits is not None:
        extra[LIMITS] = tuple(limits)
    if deprecated is not None:
        extra |= {"deprecated": True, DEPRECATION: deprecated.headers}
    if access is not None:
        extra["security"] = [{"token": [access.rule.scope]}, {"cookie": [access.rule.scope]}]
        extra[ACCESS] = {"resource": access.resource.name, "action": access.name, "role": access.rule.role}
    return {"status_code": status, "response_class": Answer, "responses": {status: good}, "openapi_extra": extra}


def listing(returns: str, *, access: Action, fails: Sequence[int] = ()) -> dict[str, Any]:
    """Return the arguments of a route that answers a page of a list, with a link to the next one."""
    return operation(returns, access=access, takes=FRESH_UNLESS_KNOWN, gives=["Link"], fails=fails)


def describe(app: FastAPI) -> SchemaObject:
    """Return the complete OpenAPI schema of the app."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes, tags=app.openapi_tags
        )
        for route in app.routes:
            if isinstance(route, ApiRoute) and route.include_in_schema:
                _complete(route, schema["paths"][route.path_format], schema["components"]["schemas"])
        schema["components"] = _components(schema["components"])
        app.openapi_schema = schema
    return app.openapi_schema


def _complete(route: ApiRoute, methods: SchemaObject, schemas: SchemaObject) -> None:
    """Add the examples, and the responses that a route shares with others."""
    extra = route.openapi_extra or {}
    for method in route.methods or ():
        described = methods[method.lower()]
        described.pop(FAILS)
        described.pop(LIMITS, None)
        described.pop(DEPRECATION, None)
        if described["description"].rstrip(".") == described["summary"]:
            del described["description"]
        # Not through `responses` of the route: FastAPI leaves out what is null.
        for content in described["responses"][str(route.status_code)].get("content", {}).values():
            content.setdefault("example", example_of(content["schema"], schemas))
        if "requestBody" in described:
            described["requestBody"]["content"] = {
                model.MEDIA_TYPE: {"schema": _ref("schemas", model.__name__)} for model in route.bodies
            }
            for body in [schemas[model.__name__] for model in route.bodies]:
                body.setdefault("examples", [example_of(body, schemas)])
        fails = [*extra[FAILS], *([429] if route.limits else [])]
        described["responses"].update(_answers(route.path, described, fails))
        if route.limits:
            quota = {name: _ref("headers", name) for name in QUOTA_HEADERS}
            described["responses"][str(route.status_code)]["headers"] |= quota


def _answers(path: str, described: SchemaObject, fails: Sequence[int]) -> SchemaObject:
    """Return every response but the good one."""
    names = {parameter.get("$ref", "").rpartition("/")[2] for parameter in described["parameters"]}
    statuses = {400, 408, 414, 422, 431, 500, *fails}
    if "security" in described:
        statuses |= {401, 403, 503}
    if "Idempotency-Key" in names:
        statuses |= {409, 503}
    if "If-Match" in names:
        statuses |= {412}
    if "requestBody" in described:
        statuses |= {413, 415, 501}
    if "{" in path:
        statuses |= {404}
    answers = {str(status): _ref("responses", str(status)) for status in sorted(statuses)}
    if "Prefer" in names and "Idempotency-Key" in names and "200" in described["responses"]:
        answers["204"] = {
            "description": "Done; `return=minimal` asked for no body.",
            "headers": {
                **described["responses"]["200"]["headers"],
                "Preference-Applied": _ref("headers", "Preference-Applied"),
            },
        }
    if "If-None-Match" in names and "Idempotency-Key" not in names:
        answers["304"] = {
            "description": "The version is still the current one.",
            "headers": {"ETag": _ref("headers", "ETag")},
        }
    return answers


def _components(found: SchemaObject) -> SchemaObject:
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
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
            "cookie": {"type": "apiKey", "in": "cookie", "name": ACCESS_COOKIE, "description": COOKIES},
        },
    }


def _problem(status: int, code: str, description: str) -> SchemaObject:
    names = ["X-Request-Id", *PROBLEM_HEADERS.get(status, ())]
    example = {
        "type": type_of(code),
        "title": title_of(code),
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


def _ref(kind: str, name: str) -> SchemaObject:
    return {"$ref": f"#/components/{kind}/{name}"}
