"""What every answer has, whatever becomes of the request."""

import re
import threading
from typing import Any
from uuid import UUID

import httpx2
import pytest
from structlog.testing import capture_logs

from adapters.http.api import problems
from adapters.http.api.context import traceparent_of
from adapters.http.api.middleware import SECURITY_HEADERS
from adapters.http.api.problems import HttpError
from adapters.http.api.routing import ApiRoute
from application.ports import CommandContext, NotSettled, OutcomeUnknown, Unavailable, Unreadable
from domain.kernel import NotFound
from tests.support.http import HttpApi, open_http_api

ALWAYS = {name.decode() for name, _ in SECURITY_HEADERS} | {
    "x-request-id",
    "cache-control",
    "content-security-policy",
}
THEIRS = "7f000001-8b1d-4b1e-9f00-0123456789ab"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def failing(error: Exception) -> Any:
    async def send(command: object, call: object) -> object:
        raise error

    return send


async def log_in(client: httpx2.AsyncClient, **more: Any) -> httpx2.Response:
    return await client.post("/v1/auth/login", json={"email": "a@b.org", "password": "x"}, **more)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/health/live", 200),
        ("HEAD", "/health/live", 200),
        ("GET", "/nowhere", 404),
        ("GET", "/v1/documents/", 404),
        ("TRACE", "/v1/documents", 405),
        ("PATCH", "/v1/documents", 405),
        ("POST", "/v1/documents", 401),
        ("POST", "/v1/auth/login", 415),
    ],
)
async def test_asvs_14_3_2_every_answer_has_an_id_and_security_headers(
    api: HttpApi, method: str, path: str, status: int
) -> None:
    answer = await api.client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.keys() >= ALWAYS
    assert answer.headers["cache-control"] == "no-store"
    assert UUID(answer.headers["x-request-id"]).version == 7
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("https", "more"),
    [(False, {}), (True, {"strict-transport-security": "max-age=31536000; includeSubDomains"})],
)
async def test_the_security_headers_are_those_that_owasp_advises(https: bool, more: dict[str, str]) -> None:
    """OWASP REST Security Cheat Sheet, Security Headers."""
    async with open_http_api(https=https) as api:
        headers = (await api.client.get("/health/live")).headers
    expected = {
        "cache-control": "no-store",
        "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        **more,
    }
    assert {name: headers[name] for name in headers if name in {*expected, "strict-transport-security"}} == expected


async def test_all_routes_are_of_the_kind_that_needs_nothing_wrapped_around_it(api: HttpApi) -> None:
    assert {type(route) for route in api.app.router.routes} == {ApiRoute}


async def test_an_error_nobody_thought_of_says_nothing_of_its_cause() -> None:
    async with open_http_api(send=failing(RuntimeError("the canary sings"))) as api:
        with capture_logs() as lines:
            answer = await log_in(api.client)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal")
    assert "canary" not in answer.text
    assert answer.headers.keys() >= ALWAYS
    assert [line["event"] for line in lines] == ["request failed"]
    assert [(seen.route, seen.status) for seen in api.observed] == [("/v1/auth/login", 500)]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Unavailable("PostgreSQL", 7), "unavailable"),
        (OutcomeUnknown("PostgreSQL", 7), "outcome_unknown"),
        (NotSettled(), "not_settled"),
    ],
)
async def test_a_command_that_may_be_repeated_is_answered_with_the_time_to_wait(
    error: Unavailable | NotSettled, code: str
) -> None:
    async with open_http_api(send=failing(error)) as api:
        answer = await log_in(api.client)
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"] == str(error.retry_after)


async def test_what_the_store_cannot_read_is_a_problem_of_its_own_and_its_cause_is_in_the_log() -> None:
    async with open_http_api(send=failing(Unreadable("the stamp does not fit"))) as api:
        with capture_logs() as lines:
            answer = await log_in(api.client)
    assert (answer.status_code, answer.json()["code"]) == (500, "unreadable")
    assert "stamp" not in answer.text
    assert answer.headers.keys() >= ALWAYS
    assert [(line["event"], str(line["exc_info"])) for line in lines] == [
        ("stored data cannot be read", "the stamp does not fit")
    ]


@pytest.mark.parametrize(("sent", "kept"), [(THEIRS, {"client_request_id": THEIRS}), ("x\ty", {}), ("%1b[2J", {})])
async def test_the_callers_request_id_is_kept_beside_our_own(api: HttpApi, sent: str, kept: dict[str, str]) -> None:
    """L10: it became the correlation of events, so a caller could ascribe them to another request."""
    answer = await api.client.get("/health/live", headers={"X-Request-Id": sent})
    ours = answer.headers["x-request-id"]
    assert UUID(ours).version == 7
    assert api.observed[0].context == {"request_id": ours, **kept}


async def test_events_are_correlated_by_our_own_request_id() -> None:
    """L10."""
    correlations: list[UUID] = []

    async def send(command: object, call: CommandContext) -> object:
        correlations.append(call.correlation_id)
        raise Unavailable("PostgreSQL", 7)

    async with open_http_api(send=send) as api:
        answers = [await log_in(api.client, headers={"X-Request-Id": THEIRS}) for _ in range(2)]
    assert correlations == [UUID(answer.headers["x-request-id"]) for answer in answers]
    assert len({*correlations, UUID(THEIRS)}) == 3


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", {"trace_id": TRACE}),
        (f"00-{TRACE}-0000000000000000-01", {}),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", {}),
        ("nonsense", {}),
    ],
)
async def test_log_lines_carry_request_and_trace(api: HttpApi, sent: str, kept: dict[str, str]) -> None:
    answer = await api.client.get("/health/live", headers={"traceparent": sent})
    (seen,) = api.observed
    assert seen.context == {"request_id": answer.headers["x-request-id"], **kept}
    assert (seen.method, seen.route, seen.path, seen.status) == ("GET", "/health/live", "/health/live", 200)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
async def test_a_usual_method_is_recorded_by_its_name(api: HttpApi, method: str) -> None:
    await api.client.request(method, "/nowhere")
    assert [(seen.method, seen.route, seen.status) for seen in api.observed] == [(method, "unknown", 404)]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (f"00-{TRACE}-00f067aa0ba902b7-01", f"00-{TRACE}-00f067aa0ba902b7-01"),
        (f"cc-{TRACE}-00f067aa0ba902b7-01-later", f"00-{TRACE}-00f067aa0ba902b7-01"),
        (f"ff-{TRACE}-00f067aa0ba902b7-01", None),
        (f"00-{TRACE}-00f067aa0ba902b7-01x", None),
        (f"00-{TRACE}-00f067aa0ba902b7", None),
    ],
)
def test_the_trace_of_a_request_is_the_callers(sent: str, kept: str | None) -> None:
    assert traceparent_of(sent.encode()) == kept


async def test_what_is_logged_holds_nothing_that_was_sent(api: HttpApi) -> None:
    secret = "canary@example.org"
    with capture_logs() as lines:
        await api.client.get(f"/{secret}?q={secret}")
        await api.client.put(f"/v1/documents/{secret}", headers=api.token(UUID(int=1)), json={secret: secret})
        await api.client.post("/v1/auth/login", json={"email": secret, "password": secret})
    assert len(api.observed) == 3
    assert secret not in repr((lines, api.observed))


async def test_a_path_with_free_text_is_not_logged(api: HttpApi) -> None:
    """L1: the path of `GET /v1/events/schemas/{type}` was logged whatever it was."""
    paths = [route.path for route in api.app.router.routes if isinstance(route, ApiRoute)]
    # The `name` of a file of the API reference is one of a few.
    texts = [path for path in paths if re.search(r"{(?!\w*id}|version|name)", path)]
    assert "/v1/events/schemas/{type}" in texts
    for path in texts:
        known = path.replace("{team_id}", str(UUID(int=9)))
        for text in ("%1b%5d0;pwned%07%1b%5b31mEVIL", "alice@example.org"):
            await api.client.get(re.sub("{.*?}", text, known), headers=api.token(UUID(int=1)))
    assert [(seen.route, seen.path) for seen in api.observed] == [(path, None) for path in texts for _ in range(2)]


async def test_what_is_logged_names_the_user(api: HttpApi) -> None:
    user_id, token = await api.account()
    await api.client.post("/v1/documents", json={"title": "x"}, headers=token)
    assert [seen.user_id for seen in api.observed] == [str(user_id)]


async def test_a_made_up_method_makes_no_metric_of_its_own(api: HttpApi) -> None:
    await api.client.request("XYZZY", "/health/live")
    assert [(seen.method, seen.route, seen.status) for seen in api.observed] == [("OTHER", "unknown", 405)]


async def test_only_named_origins_may_call() -> None:
    async with open_http_api(cors_origins=("https://app.test",)) as api:
        ours = await api.client.get("/health/live", headers={"Origin": "https://app.test"})
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "if-match,authorization"}
        asking = await api.client.options("/v1/documents", headers={"Origin": "https://app.test", **asked})
        for origin in ("null", "https://app.test.evil.test", "https://evilapp.test", "http://app.test"):
            theirs = await api.client.get("/health/live", headers={"Origin": origin})
            assert "access-control-allow-origin" not in theirs.headers
    assert ours.headers["access-control-allow-origin"] == "https://app.test"
    assert "ETag" in ours.headers["access-control-expose-headers"]
    assert ours.headers["access-control-allow-credentials"] == "true", "sessions may be in cookies"
    assert asking.status_code == 200
    assert asking.headers.keys() >= ALWAYS


async def test_browsers_may_read_of_an_error_nobody_thought_of() -> None:
    async with open_http_api(cors_origins=("https://app.test",), send=failing(RuntimeError())) as api:
        answer = await log_in(api.client, headers={"Origin": "https://app.test"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, "https://app.test")


async def test_without_a_vital_server_we_are_not_ready_and_say_which() -> None:
    async def down() -> None:
        raise OSError("10.0.0.5 refused")

    async def up() -> None: ...

    async with open_http_api(checks={"database": up, "redis": down}) as api:
        softly = await api.client.get("/health/ready")
    async with open_http_api(checks={"database": down, "redis": up}) as api:
        hard = await api.client.get("/health/ready")
        assert (await api.client.get("/health/live")).status_code == 200
    assert (softly.status_code, softly.json()["servers"]) == (200, {"database": "up", "redis": "down"})
    assert (hard.status_code, hard.json()["errors"][0]["pointer"]) == (503, "/database")
    assert "10.0.0.5" not in hard.text


@pytest.mark.parametrize(
    "error",
    [NotFound("No such thing."), problems.Missing("No such thing."), Unavailable("It"), NotSettled(), Unreadable()],
    ids=lambda error: type(error).__name__,
)
async def test_errors_are_answered_on_the_event_loop(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    """A refusal costs no change of threads, however many clients are refused."""
    threads, answer = [], problems.answer

    def noted(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return answer(*args)

    monkeypatch.setattr(problems, "answer", noted)
    async with open_http_api(send=failing(error)) as api:
        assert (await log_in(api.client)).status_code >= 400
    assert threads == [threading.get_ident()]


def test_each_refusal_of_http_has_a_status_and_a_stable_code() -> None:
    """A changed code breaks clients that decide by it."""
    found = {kind.__name__: (kind.status, kind.code) for kind in HttpError.__subclasses__()}
    assert found == {
        "CsrfRefused": (403, "csrf_token_needed"),
        "InsufficientScope": (403, "insufficient_scope"),
        "Malformed": (400, "malformed"),
        "MethodNotAllowed": (405, "method_not_allowed"),
        "Missing": (404, "not_found"),
        "NotJson": (415, "not_json"),
        "NotReady": (503, "not_ready"),
        "NotValid": (422, "not_valid"),
        "Overload": (503, "overloaded"),
        "TooLarge": (413, "too_large"),
        "TooManyStreams": (503, "too_many_streams"),
        "TooSlow": (408, "too_slow"),
        "Unauthenticated": (401, "unauthenticated"),
        "UnsupportedCondition": (400, "unsupported_condition"),
        "UnsupportedContentCoding": (415, "unsupported_coding"),
        "UnsupportedMediaType": (415, "unsupported_media_type"),
        "UnsupportedTransferCoding": (501, "unsupported_coding"),
    }
