"""Views of aggregates by field name: what a command answers is built from the aggregate's attributes."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar

from domain.kernel import Root

V = TypeVar("V")

RENAMED = {"created_at": "created_on", "updated_at": "modified_on"}
"""Attributes that every aggregate has under the library's names."""


def view_maker(
    view: type[V], *, computed: Collection[str] = (), renamed: Mapping[str, str] | None = None
) -> Callable[..., V]:
    """Return a function from an aggregate to its view, a dataclass of two fields or more.

    Fields are read from attributes of the same name, or of the name in `renamed`; those in `computed` are passed by
    keyword. Names are looked up once, here, not for each view.
    """
    attributes = {**RENAMED, **(renamed or {})}
    names = [field.name for field in fields(view) if field.name not in computed]  # type: ignore[arg-type]
    read = attrgetter(*(attributes.get(name, name) for name in names))

    if not computed:
        return lambda root: view(*read(root))

    def make(root: Root, **values: Any) -> V:
        return view(**dict(zip(names, read(root), strict=True)), **values)

    return make
