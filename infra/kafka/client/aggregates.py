"""The aggregates that have public topics: every aggregate of the domain, so that none can be forgotten."""

from application.discovery import import_all
from domain.kernel import Root


def domain_aggregates() -> tuple[str, ...]:
    """The names of all aggregates, ordered by context and module. An aggregate without public events has empty topics.

    Roots outside of the package `domain`, as tests define them, are left out.
    """
    import_all("domain")
    roots: list[type] = [root for root in Root.__subclasses__() if root.__module__.startswith("domain.")]
    found = sorted((root.__module__, str(root.TOPIC)) for root in roots)  # type: ignore[attr-defined]
    return tuple(name for _, name in found)
