"""Conditional requests (RFC 9110, 13): `If-Match` and `If-None-Match` as preconditions; what is not checked is refused.

Every operation that answers an ETag takes both, but creations. Dates are no conditions here, as no response has a
`Last-Modified`: reads ignore them, as the RFC demands, and a write that depends on one is refused.
"""

import re
from collections.abc import Collection

from adapters.http.api.compression import plain_tags
from adapters.http.api.context import RequestContext
from adapters.http.api.problems import Malformed, UnsupportedCondition
from application.ports import Precondition

ELEMENT = re.compile(r'[ \t]*(?:(W/)?"([!#-~\x80-\xff]*)"[ \t]*)?(?:,|\Z)')
"""An element of a list of entity tags, which may be empty (RFC 9110, 5.6.1 and 8.8.3)."""
ANY = "*"


def precondition_of(context: RequestContext, *, of_read: bool = False) -> Precondition | None:
    """Return the precondition of a request; None: it has none that could fail. Tags of compressed states count.

    Raises:
        Malformed: a header is neither `*` nor a list of entity tags.
    """
    match, none_match = context.header(b"if-match"), context.header(b"if-none-match")
    if match in (None, ANY) and none_match is None:
        return None
    # Weak tags match in If-None-Match only (RFC 9110, 13.1.1 and 13.1.2).
    one_of = None if match is None or match == ANY else _tags("If-Match", match, weak=False)
    absent = none_match == ANY
    none_of = frozenset[str]() if none_match is None or absent else _tags("If-None-Match", none_match, weak=True)
    return Precondition(
        None if one_of is None else plain_tags(one_of, context, of_read=False),
        plain_tags(none_of, context, of_read=of_read),
        absent,
    )


def refused_conditions(methods: Collection[str], *, checks_tags: bool) -> tuple[bytes, ...]:
    """Return the request headers that an operation refuses. `checks_tags`: it takes `If-Match` and `If-None-Match`."""
    reads = "GET" in methods
    tags = () if checks_tags else (b"if-match",) if reads else (b"if-match", b"if-none-match")
    return tags if reads else (*tags, b"if-unmodified-since")


def refuse_conditions(context: RequestContext, refused: Collection[bytes]) -> None:
    """Refuse a request with one of these headers.

    Raises:
        UnsupportedCondition
    """
    for name in refused:
        if name in context.headers:
            raise UnsupportedCondition(f"This operation does not check {name.decode().title()}; send it without.")


def _tags(name: str, value: str, *, weak: bool) -> frozenset[str]:
    """Return the tags of a list, without the quotes; weak ones only where they count."""
    elements = []
    element = ELEMENT.match(value)
    while element is not None and element.end() < len(value):
        elements.append(element)
        element = ELEMENT.match(value, element.end())
    named = [each for each in (*elements, element) if each is not None and each[2] is not None]
    if element is None or not named:
        raise Malformed(f'{name} takes tags as in ETag, with the quotes and commas between them, like "3", or *.')
    return frozenset(tag[2] for tag in named if weak or not tag[1])
