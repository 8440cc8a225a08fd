"""Scopes of access tokens, derived from the access table (`domain/access.py`)."""

from domain.access import RESOURCES

SCOPES = frozenset(rule.scope for resource in RESOURCES.values() for rule in resource.rules.values())
"""All scopes. The token of a logged-in person has them all."""

SCOPE_TO_READ = {name: resource.rules["read"].scope for name, resource in RESOURCES.items() if "read" in resource.rules}
"""The scope for reading an aggregate and its events, by the aggregate's topic."""
