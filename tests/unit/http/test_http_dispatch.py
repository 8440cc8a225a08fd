"""A request finds its route by method and segments, as Starlette would find it if special routes came first."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.routing import BaseRoute, Match, Mount, Route

from adapters.http.api.dispatch import Dispatcher
from adapters.http.api.problems import MethodNotAllowed, Missing
from adapters.http.api.routers import find_routers
from tests.support.http import HttpApi

METHODS = ("GET", "PUT", "POST")
DOCUMENT = UUID(int=9)

Found = tuple[str, Any]
"""The template and the parameters, or the status and the allowed methods."""


async def endpoint(request: Any) -> Any: ...


async def otherwise(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "websocket.close"})


def dispatched(routes: list[BaseRoute], method: str, path: str) -> Found:
    try:
        route, parameters = Dispatcher(routes, otherwise).find(method, path)
    except MethodNotAllowed as error:
        return "405", set(error.headers["Allow"].split(", "))
    except Missing:
        return "404", None
    return route.path, parameters


def matched_by_starlette(routes: list[BaseRoute], method: str, path: str) -> Found:
    """What Starlette's router finds in routes in their order."""
    allowed: set[str] = set()
    for route in routes:
        assert isinstance(route, Route)
        match, scope = route.matches({"type": "http", "method": method, "path": path})
        if match is Match.FULL:
            return route.path, scope["path_params"]
        if match is Match.PARTIAL:
            allowed |= route.methods or set()
    if "GET" in allowed:
        allowed.add("HEAD")
    return ("405", allowed) if allowed else ("404", None)


def shape(path: str) -> list[str]:
    """The template without names; texts sort before parameters."""
    return ["~" if segment.startswith("{") else segment for segment in path.split("/")]


def special_first(routes: list[BaseRoute]) -> list[BaseRoute]:
    """The routes, texts before parameters."""
    return sorted(routes, key=lambda route: [part == "~" for part in shape(route.path)])  # type: ignore[attr-defined]


segments = st.lists(st.sampled_from(["a", "b", "c", "{p}"]), max_size=4)


def template(parts: list[str], slash: str) -> str:
    """A template whose parameters have names of their own."""
    return "/" + "/".join(f"{{p{at}}}" if part == "{p}" else part for at, part in enumerate(parts)) + slash


templates = st.builds(template, segments, st.sampled_from(["", "", "", "/"]))
PARTS = ["a", "b", "c", "d", "", ".", "..", "a b", "é", "{p0}", "a%2Fb"]
paths = st.one_of(
    st.lists(st.sampled_from(PARTS), max_size=5).map("/".join),
    st.text(alphabet="/ab.%é", max_size=8),
)  # fmt: skip


@given(st.lists(st.tuples(templates, st.sampled_from(METHODS)), max_size=12), paths, st.booleans(), st.randoms())
def test_any_order_of_routes_finds_what_starlette_finds_in_the_best_order(
    declared: list[tuple[str, str]], path: str, rooted: bool, random: Any
) -> None:
    path = "/" + path.lstrip("/") if rooted else path
    unique = {(*shape(path), method): (path, method) for path, method in declared}
    routes: list[BaseRoute] = [Route(path, endpoint, methods=[method]) for path, method in unique.values()]
    ordered = special_first(routes)
    random.shuffle(routes)
    for method in ("GET", "HEAD", "PUT", "DELETE"):
        assert dispatched(routes, method, path) == matched_by_starlette(ordered, method, path)


@given(st.data())
def test_our_own_routes_are_found_as_starlette_finds_them(data: st.DataObject) -> None:
    routes = [route for router in find_routers() for route in router.routes]
    known = data.draw(st.sampled_from(sorted({route.path for route in routes})))  # type: ignore[attr-defined]
    parts = [data.draw(paths) if "{" in part else part for part in known.split("/")]
    path = "/".join(parts) + data.draw(st.sampled_from(["", "", "/", "/x"]))
    method = data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]))
    assert dispatched(routes, method, path) == matched_by_starlette(special_first(routes), method, path)


@pytest.mark.parametrize("path", ["/a/{x:int}", "/a/{x}.json", "/a/{x", "/a/{}"])
def test_a_template_of_another_form_is_refused_at_the_start(path: str) -> None:
    route = Route("/a", endpoint)
    route.path = path
    with pytest.raises(ValueError, match="a segment is a text or one parameter"):
        Dispatcher([route], otherwise)


def test_two_routes_of_one_method_and_form_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match=r"GET /a/\{y\} is ambiguous: /a/\{x\} is the same"):
        Dispatcher([Route("/a/{x}", endpoint, methods=["GET"]), Route("/a/{y}", endpoint, methods=["GET"])], otherwise)


def test_what_is_no_route_is_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="not a route"):
        Dispatcher([Mount("/a", otherwise)], otherwise)


def test_a_line_break_after_a_path_is_part_of_it() -> None:
    # Starlette's expression ends with `$`, which ignores one.
    routes: list[BaseRoute] = [Route("/a", endpoint)]
    assert dispatched(routes, "GET", "/a\n") == ("404", None)
    assert matched_by_starlette(routes, "GET", "/a\n") == ("/a", {})


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v1/documents", "GET, HEAD, POST"),
        (f"/v1/documents/{DOCUMENT}", "DELETE, GET, HEAD, PATCH, PUT"),
        ("/v1/documents/anything", "DELETE, GET, HEAD, PATCH, PUT"),
        (f"/v1/documents/{DOCUMENT}/shares", "GET, HEAD, POST, PUT"),
        ("/v1/auth/login", "POST"),
        ("/health/live", "GET, HEAD"),
    ],
)
async def test_405_names_all_methods_of_the_path(api: HttpApi, path: str, allow: str) -> None:
    answer = await api.client.request("TRACE", path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert (answer.json()["code"], answer.json()["title"]) == ("method_not_allowed", "Method not allowed")


@pytest.mark.parametrize(
    "path",
    ["//", "/v1", "/v1/", "/v1/documents/", "/v1//documents", "//v1/documents", "/health/live/",
     "/HEALTH/live", f"/v1/documents/{DOCUMENT}/", f"/v1/documents/{DOCUMENT}/shares/revoke/x",
     f"/v1/documents/{DOCUMENT}%2Fx",
     "/health/live%0A"],
)  # fmt: skip
async def test_404_for_a_path_that_no_route_has(api: HttpApi, path: str) -> None:
    answer = await api.client.get(f"https://api.test{path}", follow_redirects=False)
    assert (answer.status_code, answer.json()["code"], answer.json()["title"]) == (404, "not_found", "Not found")
    assert answer.json()["detail"] == "There is nothing at this path; /v1/docs lists all paths."
    assert "location" not in answer.headers
    assert [seen.route for seen in api.observed] == ["unknown"]


async def test_head_is_dispatched_as_get(api: HttpApi) -> None:
    head, none = await api.client.head("/health/live"), await api.client.head("/v1/auth/login")
    assert (head.status_code, none.status_code, none.headers["allow"]) == (200, 405, "POST")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/%76%31/documents", "/v1/documents"),
        ("/v1/documents%2F" + str(DOCUMENT), "/v1/documents/{document_id}"),
        ("/v1/documents/" + str(DOCUMENT).replace("0", "%30"), "/v1/documents/{document_id}"),
    ],
)
async def test_a_path_is_matched_percent_decoded(api: HttpApi, path: str, route: str) -> None:
    assert (await api.client.get(path)).status_code == 401
    assert [seen.route for seen in api.observed] == [route]


@pytest.mark.parametrize(
    ("document_id", "version", "pointers"),
    [
        (str(DOCUMENT), "1", []),
        (str(DOCUMENT).upper(), "1", []),
        (str(DOCUMENT).replace("-", ""), "01", ["/document_id", "/version"]),
        ("x", "1", ["/document_id"]),
        ("é%20b", "0", ["/document_id", "/version"]),
        (str(DOCUMENT), "1.5", ["/version"]),
        (str(DOCUMENT), "9" * 10, ["/version"]),
    ],
)
async def test_path_parameters_are_converted_or_refused(
    api: HttpApi, document_id: str, version: str, pointers: list[str]
) -> None:
    token = api.token(UUID(int=1))
    answer = await api.client.get(f"/v1/documents/{document_id}/versions/{version}", headers=token)
    assert answer.status_code == (422 if pointers else 404)
    assert [error["pointer"] for error in answer.json()["errors"]] == pointers


async def test_a_websocket_is_refused(api: HttpApi) -> None:
    sent: list[Any] = []

    async def receive() -> Any: ...

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await api.app({"type": "websocket", "path": "/v1/documents"}, receive, send)
    assert sent == ["websocket.close"]
