"""Dispatch: finds the route of a request by method and path segments.

The routes are put into a tree of segments once, so the cost of a request grows with the number of its segments, not
with the number of routes, and their order does not matter. See decisions/0002-dispatch-by-segments.md.
"""

import re
from collections.abc import Iterable

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from adapters.http.api.problems import MethodNotAllowed, Missing

PARAMETER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)(:path)?\}")


class _Node:
    """The routes that share their first segments. `targets`: by method, a route and the places of its parameters.

    `rest`: the routes whose last parameter takes all further segments.
    """

    __slots__ = ("children", "parameter", "rest", "targets")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.targets: dict[str, tuple[Route, list[tuple[str, slice]]]] = {}


class Dispatcher:
    """Runs the route of each HTTP request; passes other connections to `otherwise`.

    A segment of a template is a text or one `{parameter}`; the last one may be a `{parameter:path}`, which takes all
    further segments. Where several fit, the text is preferred and then the parameter, segment by segment from the left,
    and a route that has the method is preferred to one that has not.

    Raises:
        ValueError: a template has another form, or two routes have the same method and form.
    """

    def __init__(self, routes: Iterable[BaseRoute], otherwise: ASGIApp) -> None:
        self._otherwise = otherwise
        self._root = _Node()
        for route in routes:
            self._add(route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._otherwise(scope, receive, send)
            return
        route, scope["path_params"] = self.find(scope["method"], scope["path"])
        await route.app(scope, receive, send)

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and its path parameters. `path` is percent-decoded, as in the ASGI scope.

        Raises:
            Missing: no route has this path.
            MethodNotAllowed: routes have this path, but not this method.
        """
        segments = path.split("/")
        size, allowed = len(segments), set[str]()
        open_nodes = [(self._root, 1)] if path.startswith("/") else []
        while open_nodes:
            node, at = open_nodes.pop()
            if at == size:
                if method in node.targets:
                    route, places = node.targets[method]
                    return route, {name: "/".join(segments[place]) for name, place in places}
                allowed.update(node.targets)
                continue
            segment = segments[at]
            if node.rest is not None:
                open_nodes.append((node.rest, size))
            if node.parameter is not None and segment:
                open_nodes.append((node.parameter, at + 1))
            if segment in node.children:
                open_nodes.append((node.children[segment], at + 1))
        raise (
            MethodNotAllowed(allowed)
            if allowed
            else Missing("There is nothing at this path; /v1/docs lists all paths.")
        )

    def _add(self, route: BaseRoute) -> None:
        if not isinstance(route, Route):
            raise ValueError(f"{route!r} is not a route with a path and methods.")
        node, places = self._root, list[tuple[str, slice]]()
        last = route.path.count("/")
        for place, segment in enumerate(route.path.split("/")[1:], start=1):
            parameter = PARAMETER.fullmatch(segment)
            if parameter is not None and not parameter[2]:
                places.append((parameter[1], slice(place, place + 1)))
                node.parameter = node = node.parameter or _Node()
            elif parameter is not None and place == last:
                places.append((parameter[1], slice(place, None)))
                node.rest = node = node.rest or _Node()
            elif "{" in segment:
                raise ValueError(f"{route.path}: a segment is a text or one parameter, as in /documents/{{id}}.")
            else:
                node = node.children.setdefault(segment, _Node())
        for method in sorted(route.methods or ()):
            if method in node.targets:
                raise ValueError(f"{method} {route.path} is ambiguous: {node.targets[method][0].path} is the same.")
            node.targets[method] = route, places
