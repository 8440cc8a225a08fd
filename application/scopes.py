"""Scopes of access tokens, derived from the resources of the domain (`domain/access.py`)."""

import sys
from collections.abc import Iterator
from functools import cache

from application.discovery import import_all
from domain.access import AUDITOR, Resource, Rule


@cache
def resources() -> dict[str, Resource]:
    """Return every module-level `Resource` of the domain, in folders of any depth, by name."""
    import_all("domain")
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith("domain.")]
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Resource)]
    return {resource.name: resource for resource in found}


@cache
def scopes() -> frozenset[str]:
    """Return the scopes of the token of a logged-in person: all but those of auditors.

    After an upgrade that renames a scope, older tokens lack the new one: 403 `insufficient_scope` where it is required,
    until the next refresh, which issues all scopes; so for an hour at most (`MAX_TOKEN_SECONDS`).
    """
    return frozenset(rule.scope for rule in _rules() if rule.role != AUDITOR)


@cache
def scopes_of_auditors() -> frozenset[str]:
    """Return the scopes that the token of an auditor has beside those of each person."""
    return frozenset(rule.scope for rule in _rules() if rule.role == AUDITOR)


def _rules() -> Iterator[Rule]:
    return (rule for resource in resources().values() for rule in resource.rules.values())


@cache
def scope_to_read() -> dict[str, str]:
    """Return the scope for reading an aggregate and its events, by the aggregate's topic."""
    return {name: found.rules["read"].scope for name, found in resources().items() if "read" in found.rules}
