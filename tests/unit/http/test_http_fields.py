"""Header fields and parameters: what is doubtful is refused in words, not read in one of several ways."""

from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.support.http import HttpApi, open_http_api, openapi_schema

DOCUMENTS = "/v1/documents"
JSON = ("Content-Type", "application/json")


@pytest_asyncio.fixture
async def token(api: HttpApi) -> tuple[str, str]:
    return "Authorization", (await api.account())[1]["Authorization"]


async def raw(
    api: HttpApi, fields: list[tuple[str, str]], method: str = "POST", path: str = DOCUMENTS, version: str = "1.1"
) -> tuple[int, dict[str, str], str]:
    """Send exactly these header fields; answer status, headers and body."""
    body = b'{"title":"x"}' if method == "POST" else b""
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "http_version": version,
        "scheme": "http",
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
        "client": ("10.0.0.1", 1),
    }
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    await api.app(scope, receive, send)
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(each.get("body", b"") for each in sent).decode()


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("If-Match", ('"1"', '"1"')),
        ("Idempotency-Key", ("one", "two")),
        ("Authorization", ("Bearer x", "Bearer y")),
        ("Content-Type", ("application/json", "application/json")),
        ("Content-Encoding", ("identity", "identity")),
        ("Transfer-Encoding", ("chunked", "chunked")),
        ("Consistency-Token", ("1", "2")),
        ("Last-Event-ID", ("1", "2")),
        ("X-Request-Id", (str(UUID(int=1)), str(UUID(int=2)))),
        ("Traceparent", ("x", "y")),
        ("Host", ("x", "x")),
    ],
)
async def test_a_field_that_is_given_twice_is_refused(
    api: HttpApi, token: tuple[str, str], name: str, values: tuple[str, str]
) -> None:
    """Case 12, L9: the last one counted."""
    fields = [("Host", "x"), token, JSON]
    others = [each for each in fields if each[0] != name]
    status, _, text = await raw(api, [*others, *((name, value) for value in values)])
    assert status == 400
    assert name.lower() in text.lower()
    assert "twice" in text


async def test_lists_may_come_in_several_lines(api: HttpApi, token: tuple[str, str]) -> None:
    """Case 12: of a list the lines are one list (RFC 9110, 5.3)."""
    _, made, _ = await raw(api, [("Host", "x"), token, JSON])
    lines = [("If-None-Match", '"7"'), ("If-None-Match", made["etag"]), ("Prefer", "wait=1"), ("Prefer", "x")]
    path = f"{made['location']}/versions/1"
    status, _, _ = await raw(api, [("Host", "x"), token, *lines], "GET", path)
    assert status == 304


@pytest.mark.parametrize(("version", "expected"), [("1.1", 400), ("1.0", 200)])
@pytest.mark.parametrize("path", ["/health/live", "/nowhere"])
async def test_without_a_host_a_request_is_refused(api: HttpApi, version: str, expected: int, path: str) -> None:
    """Case 12, L9: RFC 9112, 3.2."""
    status, _, text = await raw(api, [], "GET", path, version)
    assert status == (expected if path == "/health/live" or expected == 400 else 404)
    assert ("Host" in text) == (expected == 400)


@pytest.mark.parametrize(
    ("field", "value", "status", "accepted"),
    [
        ("Content-Encoding", "gzip", 415, "identity"),
        ("Content-Encoding", "br, gzip", 415, "identity"),
        ("Content-Encoding", "Identity", 201, None),
        ("Transfer-Encoding", "gzip, chunked", 501, None),
        ("Transfer-Encoding", "Chunked", 201, None),
    ],
)
async def test_a_coding_that_is_not_supported_is_refused(
    api: HttpApi, token: tuple[str, str], field: str, value: str, status: int, accepted: str | None
) -> None:
    """Case 12: with what is accepted (RFC 9110, 15.5.16)."""
    got, headers, text = await raw(api, [("Host", "x"), token, JSON, (field, value)])
    assert (got, headers.get("accept-encoding")) == (status, accepted)
    assert (status == 201) or "unsupported_coding" in text


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json; charset=utf-8", 201),
        ('application/json;charset="UTF-8"', 201),
        ("application/json; charset=latin-1", 415),
        ("application/json; charset=utf-16", 415),
    ],
)
async def test_json_is_in_utf_8(api: HttpApi, token: tuple[str, str], kind: str, status: int) -> None:
    """Case 12: a sibling; RFC 8259, 8.1."""
    got, _, _ = await raw(api, [("Host", "x"), token, ("Content-Type", kind)])
    assert got == status


def parameters(kind: str) -> list[tuple[str, str, str, str]]:
    """Method, path, place and name of all parameters of a type, or of a format."""
    return sorted(
        (method, path, each["in"], each["name"])
        for path, methods in openapi_schema()["paths"].items()
        for method, about in methods.items()
        if "requestBody" not in about
        for each in about["parameters"]
        if "in" in each
        for schema in each["schema"].get("anyOf", [each["schema"]])
        if kind in (schema.get("type"), schema.get("format"))
    )


ODD = {
    "integer": ["1_0", "+1", "01", " 1", "1 ", "1.0", "\N{FULLWIDTH DIGIT ONE}", "1e1", "-0", "0x1"],
    "boolean": ["1", "yes", "on", "T", "True", "TRUE", "0", "off"],
    "uuid": [uuid4().hex, f"urn:uuid:{uuid4()}", f"{{{uuid4()}}}"],
}
WRITTEN = [(*where, value) for kind, values in ODD.items() for where in parameters(kind) for value in values]


async def test_what_is_written_oddly_is_refused(api: HttpApi) -> None:
    """Case 12: each number, truth value and id has one spelling, in paths and queries."""
    headers = api.token(UUID(int=1), auditor=True)
    assert {place for _, _, place, _, _ in WRITTEN} == {"path", "query"}
    good = {
        "version": 1,
        "document_id": uuid4(),
        "team_id": uuid4(),
        "folder_id": uuid4(),
        "user_id": uuid4(),
        "link_id": uuid4(),
        "public_id": uuid4(),
        "request_id": uuid4(),
        "domain_id": uuid4(),
        "generation_id": uuid4(),
        "comparison_id": uuid4(),
        "month": "2026-11",
        "topic": "document",
        "aggregate_id": uuid4(),
        "correlation_id": uuid4(),
        "position": 1,
        "old": 1,
        "new": 1,
    }
    for method, path, place, name, value in WRITTEN:
        target = path.format_map({**good, name: value} if place == "path" else good)
        query = {name: value} if place == "query" else {}
        answer = await api.client.request(method, target, params=query, headers=headers)
        assert answer.status_code == 422, (method, target, query, answer.text)


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00"])
async def test_a_time_that_is_none_in_utc_is_refused(api: HttpApi, moment: str) -> None:
    _, token = await api.auditor()
    made = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=token)
    link = {"role": "viewer", "expires_at": moment}
    answers = [await api.client.post(f"{made.headers['location']}/links", json=link, headers=token)]
    for method, path, _, name in parameters("date-time"):
        target = path.format_map(dict.fromkeys(("document_id", "team_id", "user_id"), UUID(int=1)))
        answers.append(await api.client.request(method, target, params={name: moment}, headers=token))
    assert len(answers) > 3
    assert [(answer.status_code, "0001-01-02" in answer.text) for answer in answers] == [(422, True)] * len(answers)


async def test_capital_letters_in_an_id_make_no_difference(api: HttpApi) -> None:
    """RFC 9562, 4."""
    _, token = await api.account()
    made = await api.client.post(DOCUMENTS, json={"title": "x"}, headers=token)
    head, _, id = made.headers["location"].rpartition("/")
    assert (await api.client.get(f"{head}/{id.upper()}/versions/1", headers=token)).status_code == 200


@pytest.mark.parametrize("https", [True, False])
async def test_only_where_there_is_https_it_is_demanded(https: bool) -> None:
    """L9: RFC 6797, 7.2."""
    async with open_http_api(https=https) as api:
        answer = await api.client.get("/health/live")
    assert ("strict-transport-security" in answer.headers) == https
