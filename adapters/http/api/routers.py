"""Routers: each feature module defines a module-level `router`; `find_routers` finds them all."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass

from fastapi import APIRouter

from adapters.http.api.routing import ApiRoute
from application.discovery import import_all


@dataclass(frozen=True, slots=True)
class Tag:
    """A group of operations in OpenAPI. `description` is one sentence."""

    name: str
    description: str


class Router(APIRouter):
    """The routes of one feature.

    `tag` groups them in OpenAPI. One router describes a tag; other routers of the same group give its name only.
    """

    def __init__(self, prefix: str = "", *, tag: Tag | str | None = None, include_in_schema: bool = True) -> None:
        name = tag.name if isinstance(tag, Tag) else tag
        tags: list[str] = [] if name is None else [name]
        super().__init__(prefix=prefix, tags=[*tags], route_class=ApiRoute, include_in_schema=include_in_schema)
        self.tag = tag


def find_routers(package: str = "adapters.http") -> list[Router]:
    """Return the routers of all modules of `package`, in folders of any depth, in the order of the modules' names."""
    import_all(package)
    modules = sorted(name for name in sys.modules if name.startswith(f"{package}."))
    found = [getattr(sys.modules[name], "router", None) for name in modules]
    return [each for each in found if isinstance(each, Router)]


def tags_of(routers: Iterable[Router]) -> list[dict[str, str]]:
    """Return the tags of routers, in the order of their names, as OpenAPI lists them.

    Raises:
        ValueError: a tag has no description, or two.
    """
    tags = {router.tag for router in routers if router.tag is not None}
    described = sorted((tag for tag in tags if isinstance(tag, Tag)), key=lambda tag: tag.name)
    names = [tag.name for tag in described]
    for name in names + [tag for tag in tags if isinstance(tag, str)]:
        if names.count(name) != 1:
            raise ValueError(f"The tag {name!r} needs one router that describes it: tag=Tag({name!r}, ...).")
    return [{"name": tag.name, "description": tag.description} for tag in described]
