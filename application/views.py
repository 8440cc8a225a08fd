"""Views of aggregates by field name: what a command answers is built from the aggregate's attributes.

A view can be built again from the aggregate at the same version and time: so of an answer that is a view, only a
reference is kept for repeated requests (`application/idempotency.py`).
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

from application.ports import A, Actor
from domain.kernel import Root

V = TypeVar("V")

RENAMED = {"created_at": "created_on", "updated_at": "modified_on"}
"""Attributes that every aggregate has under the library's names."""

_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class View:
    """How a kind of view is built, from which aggregates, and for whom.

    `require_reader` refuses actors who may not read the aggregate now (None: an anonymous request, which is repeated
    with everything that it contained).
    """

    kind: type[Root]
    make: Callable[[Any, datetime], Any]
    require_reader: Callable[[Any, Actor | None, datetime], None]


VIEWS: dict[type, View] = {}
"""All views, by their dataclass."""


def view_maker(
    view: type[V],
    kind: type[A],
    *,
    require_reader: Callable[[A, Actor | None, datetime], None],
    computed: Mapping[str, Callable[[A, datetime], Any]] = _NOTHING,
    renamed: Mapping[str, str] = _NOTHING,
    not_of_state: Collection[str] = (),
) -> Callable[..., V]:
    """Return a function from an aggregate of this kind, and a time, to its view: a dataclass of two fields or more.

    Fields are read from attributes of the same name, or of the name in `renamed`; those in `computed` depend on the
    time. Without any of these, the function also works without a time. Those in `not_of_state` keep their default: they
    say what is not in the aggregate, and who knows it sets them. Names are looked up once, here, not for each view.

    Raises:
        TypeError: the view has no field `id`, or has a maker already.
    """
    if view in VIEWS:
        raise TypeError(f"{view.__name__} has two makers")
    attributes = {**RENAMED, **renamed}
    others = {*computed, *not_of_state}
    names = [field.name for field in fields(view) if field.name not in others]  # type: ignore[arg-type]
    if "id" not in names:
        raise TypeError(f"{view.__name__} lacks the id of its {kind.__name__}")
    read = attrgetter(*(attributes.get(name, name) for name in names))

    def plain(root: A, now: datetime | None = None) -> V:
        return view(**dict(zip(names, read(root), strict=True)))

    def timed(root: A, now: datetime) -> V:
        values = {name: value(root, now) for name, value in computed.items()}
        return view(**dict(zip(names, read(root), strict=True)), **values)

    make: Callable[..., V] = timed if computed else plain
    VIEWS[view] = View(kind, make, require_reader)
    return make
