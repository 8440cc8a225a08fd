"""The register of personal data: a table, a cached read model or a cache under the lease that it lacks is found.

A class that keeps personal data in memory, and that no lease empties, is not found.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from infra.bootstrap.projections import prepare_tables
from infra.personal_data import FILES, IMPERSONAL_TABLES, LEASE, MEMORY, REDIS_KEYS, TABLES, PersonalDataPlace
from infra.postgres.cache_lease import CacheLease
from projections.kernel import read_models
from tests.architecture.source import functions, production, types
from tests.support.api import running_api
from tests.support.personal_data import tables_in
from tests.support.servers import Database
from tests.support.stores import rows


async def test_every_table_is_in_the_register(database: Database) -> None:
    await prepare_tables(database.app_url, read_models())
    assert tables_in(database.admin_url) == {*TABLES, *IMPERSONAL_TABLES}
    rows(database.admin_url, "CREATE TABLE diary (entry text)")
    assert tables_in(database.admin_url) - {*TABLES, *IMPERSONAL_TABLES} == {"public.diary"}


def test_every_cached_read_model_is_in_the_register() -> None:
    cached = [model.cached for model in read_models() if model.cached is not None]
    assert {f"palimpsest:{spec.label}:" for spec in cached} | {"palimpsest:limits:"} == {*REDIS_KEYS}


def test_every_cache_that_a_lease_empties_is_in_the_register(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H7: and no class in the register, and none with a method `drop`, is left out of the lease."""
    registered = set[str]()
    register = CacheLease.register

    def spied(self: CacheLease, cache: str, drop: Any, *sweep: Any) -> None:
        registered.add(f"{type(drop.__self__).__module__}.{type(drop.__self__).__name__}")
        register(self, cache, drop, *sweep)

    monkeypatch.setattr(CacheLease, "register", spied)
    with running_api(database.admin_url, redis_url):
        pass
    assert registered == {name for name, place in MEMORY.items() if place.purge == LEASE}
    assert registered == {*classes_with_drop()}


def classes_with_drop() -> Iterator[str]:
    """The classes of infra that can be registered with a lease."""
    for source in production():
        for name, node in types(source.tree):
            if source.name.startswith("infra/") and any(each.name == "drop" for each in functions(node)):
                yield f"{source.name.removesuffix('.py').replace('/', '.')}.{name}"


@pytest.mark.parametrize("name", MEMORY)
def test_every_class_in_the_register_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert hasattr(importlib.import_module(module), kind)


@pytest.mark.parametrize("places", [TABLES, REDIS_KEYS, MEMORY, FILES])
def test_each_place_says_how_it_is_exported_and_purged(places: Mapping[str, PersonalDataPlace]) -> None:
    assert all(place.content and place.export and place.purge for place in places.values())
