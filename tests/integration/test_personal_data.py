"""The register of personal data is complete: a table, a cache or a class that it lacks is found."""

import importlib
from collections.abc import Mapping

import pytest

from infra.bootstrap.projections import prepare_tables
from infra.personal_data import FILES, IMPERSONAL_TABLES, MEMORY, REDIS_KEYS, TABLES, PersonalDataPlace
from projections.kernel import read_models
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
    assert {f"palimpsest:{spec.label}:" for spec in cached} == {*REDIS_KEYS}


@pytest.mark.parametrize("name", MEMORY)
def test_every_class_in_the_register_exists(name: str) -> None:
    module, _, kind = name.rpartition(".")
    assert hasattr(importlib.import_module(module), kind)


@pytest.mark.parametrize("places", [TABLES, REDIS_KEYS, MEMORY, FILES])
def test_each_place_says_how_it_is_exported_and_purged(places: Mapping[str, PersonalDataPlace]) -> None:
    assert all(place.content and place.export and place.purge for place in places.values())
