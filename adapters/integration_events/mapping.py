"""Mapping by field names: makes the function that builds an integration event from a domain event, or a state.

A public field gets the value of the private field of the same name, unless `From` names another source. The function is
generated once per class, as `dataclasses` does for `__init__`: the relay calls it for every event, and a loop over
fields takes two and a half times as long.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from inspect import get_annotations
from typing import Any, get_type_hints

from domain.kernel import PersonalField, Root

Source = str | Callable[[Any], Any]


class ContractError(Exception):
    """A class of the public contract is wrong. Raised on import, so no process starts with it."""


class From:
    """Annotates a public field with its source: a private field of another name, or a function that computes it."""

    def __init__(self, source: Source) -> None:
        self.source = source


def compile_mapping(public: type, private: type, *, optional: bool = False) -> Callable[[Any], Any]:
    """A function from an instance of `private` to one of `public`.

    `optional`: the function returns None where `public.is_gone` says that there is nothing to publish.

    Raises:
        ContractError: a public field has no source, or would copy a personal field.
    """
    sources = {name: source_of(public, name, hint, private) for name, hint in _hints(public)}
    arguments, names = [], {"public": public}
    for field, source in sources.items():
        if isinstance(source, str):
            arguments.append(f"{field}=private.{source}")
        else:
            names[f"compute_{field}"] = source  # type: ignore[assignment]
            arguments.append(f"{field}=compute_{field}(private)")
    call = f"public({', '.join(arguments)})"
    body = f"None if public.is_gone(private) else {call}" if optional else call
    made: Callable[[Any], Any] = eval(f"lambda private: {body}", names)  # noqa: S307 - only names of our own fields
    return made


def source_of(public: type, name: str, hint: Any, private: type) -> Source:
    """The source of a public field.

    Raises:
        ContractError: there is none, or it is personal.
    """
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, From)]
    source = marks[-1].source if marks else name
    if not isinstance(source, str):
        return source
    field = f"{public.__qualname__}.{name}"
    if source not in readable_fields(private):
        raise ContractError(
            f"{field} has no source: {private.__qualname__} has no field {source!r}. Rename the public field, or"
            " annotate it with From(...), naming another field or a function that computes it."
        )
    if is_personal(private, source):
        raise ContractError(
            f"{field} would publish {private.__qualname__}.{source}, which is personal. Leave it out, or publish"
            " a computed value that identifies no person, such as a length."
        )
    return source


def readable_fields(private: type[Any]) -> set[str]:
    """The names of a domain event's fields, or of a root's fields and properties."""
    if issubclass(private, Root.Event):
        return {field.name for field in fields(private)}
    names: set[str] = set()
    for base in private.__mro__:
        names |= get_annotations(base).keys()
        names |= {name for name, value in vars(base).items() if isinstance(value, property)}
    return names


def is_personal(private: type, name: str) -> bool:
    """Whether a domain event, or any event of a root, marks the field of this name as personal."""
    return name in _personal_fields(private)


@cache
def _personal_fields(private: type) -> frozenset[str]:
    events = [private, *(value for value in vars(private).values() if isinstance(value, type))]
    return frozenset(
        name
        for event in events
        for name, hint in get_type_hints(event, include_extras=True).items()
        if any(isinstance(mark, PersonalField) for mark in getattr(hint, "__metadata__", ()))
    )


def _hints(public: type) -> Iterator[tuple[str, Any]]:
    """The fields of a struct, those of its bases first, with their annotations."""
    hints = get_type_hints(public, include_extras=True)
    return ((name, hints[name]) for name in public.__struct_fields__)  # type: ignore[attr-defined]
