"""Aggregates by their topic, and the types of their events."""

from functools import cache

from eventsourcing.utils import get_topic

from application.discovery import import_all
from domain.kernel import NotFound, Root, events_of


class NoSuchTopic(NotFound):
    """No aggregate has this topic."""


@cache
def kinds() -> dict[str, type[Root]]:
    """Return all aggregates by topic. Roots outside of the package `domain`, as tests define them, are left out."""
    import_all("domain")
    roots: list[type[Root]] = Root.__subclasses__()
    return {get_topic(root): root for root in roots if root.__module__.startswith("domain.")}


def kind_of(topic: str) -> type[Root]:
    """Return the aggregate with a topic.

    Raises:
        NoSuchTopic: there is none.
    """
    kind = kinds().get(topic)
    if kind is None:
        raise NoSuchTopic(f"There are these aggregates: {', '.join(sorted(kinds()))}.")
    return kind


def types_of(topic: str) -> list[str]:
    """Return the types of the events of an aggregate. Raises `NoSuchTopic`."""
    return [get_topic(event) for event in events_of(kind_of(topic)) if hasattr(event, "TOPIC")]
