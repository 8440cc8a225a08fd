"""The contract of the published stream is served to anybody: AsyncAPI, a page, and the schemas that records name."""

import re
from dataclasses import replace

import jsonschema_rs
import pytest

from adapters.integration_events.asyncapi import LOCAL, Broker, describe
from adapters.integration_events.catalogue import catalogue
from adapters.integration_events.cloudevents import SCHEMAS
from adapters.integration_events.contract import published, schema_of
from tests.support.http import open_http_api

ACME = Broker(prefix="acme", partitions=3)


async def test_the_stream_of_this_installation_is_described() -> None:
    async with open_http_api(broker=ACME) as api:
        served = await api.client.get("/v1/asyncapi.json")
    assert served.json() == describe(ACME)
    assert served.headers["content-type"] == "application/json"
    assert served.headers["cache-control"] == "public, max-age=300"


async def test_the_catalogue_is_a_page_that_may_do_nothing_but_look_well() -> None:
    async with open_http_api(broker=ACME) as api:
        shown = await api.client.get("/v1/events/catalogue")
    assert shown.text == catalogue(ACME)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert shown.headers["cache-control"] == "public, max-age=300"
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script" not in policy
    assert "unsafe" not in policy
    assert not re.findall(r'(?:src|href)="(?!/v1/)', shown.text)


@pytest.mark.parametrize("type", published())
async def test_the_schema_that_a_record_names_is_served(type: str) -> None:
    async with open_http_api() as api:
        served = await api.client.get(SCHEMAS + type)
    assert served.json() == schema_of(published()[type])
    assert served.headers["content-type"] == "application/schema+json"
    jsonschema_rs.meta.validate(served.json())


async def test_there_is_no_schema_of_what_is_not_published() -> None:
    async with open_http_api() as api:
        refused = await api.client.get(f"{SCHEMAS}palimpsest.user.password_changed.v1")
    assert refused.status_code == 404
    assert "/v1/events/catalogue" in refused.json()["detail"]


def test_installations_do_not_share_a_description() -> None:
    assert describe(ACME) != describe(replace(LOCAL))
