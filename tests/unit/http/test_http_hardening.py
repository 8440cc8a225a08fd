"""What the API does not do: requirements of ASVS 5.0 that hold by leaving something out."""

from types import SimpleNamespace
from typing import cast, get_type_hints

import pytest

from adapters.http.api.app import create_app
from adapters.http.api.commands import CommandSender
from adapters.http.api.deps import Deps
from adapters.http.api.routing import ApiRoute
from infra.settings.http import HttpSettings
from infra.settings.metrics import MetricsSettings
from tests.support.http import HttpApi

APP = create_app(cast(Deps, SimpleNamespace(cors_origins=())))
ROUTES = [route for route in APP.router.routes if isinstance(route, ApiRoute)]
SAFE = {"GET", "HEAD", "OPTIONS"}


def sends(route: ApiRoute) -> bool:
    """Whether the route may send commands."""
    return CommandSender in get_type_hints(route.endpoint).values()


def test_asvs_3_5_3_a_safe_method_sends_no_command() -> None:
    assert sum(map(sends, ROUTES)) > 10
    assert [route.path for route in ROUTES if sends(route) and SAFE.intersection(route.methods or ())] == []


@pytest.mark.parametrize(
    "path",
    ["/v1/documents/", "//v1/documents", "/v1//documents", "/V1/documents", "/v1/documents/../teams", "/v1/docs/"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_asvs_4_1_2_another_spelling_of_a_path_is_not_redirected(api: HttpApi, method: str, path: str) -> None:
    answer = await api.client.request(method, f"http://api.test{path}", headers={"X-Forwarded-Proto": "http"})
    assert answer.status_code >= 400
    assert "location" not in answer.headers


async def test_asvs_4_1_2_plain_http_is_not_redirected_to_tls(api: HttpApi) -> None:
    """A client that sent its token in clear must notice at once, in its first test, not be led on silently."""
    answer = await api.client.get("http://api.test/v1/documents", headers={"Authorization": "Bearer x"})
    assert (answer.status_code, "location" in answer.headers) == (401, False)


def test_asvs_13_4_2_debugging_is_off() -> None:
    assert APP.debug is False


@pytest.mark.parametrize(
    "path", ["/metrics", "/docs", "/redoc", "/openapi.json", "/debug", "/status", "/health", "/.git/config", "/.env"]
)
async def test_asvs_13_4_5_no_page_of_a_framework_or_a_monitor_is_served(api: HttpApi, path: str) -> None:
    assert (await api.client.get(path)).status_code == 404


def test_asvs_13_4_5_the_api_and_the_metrics_are_for_this_machine_unless_another_address_is_set() -> None:
    assert MetricsSettings.model_validate({}).host == HttpSettings.model_validate({}).host == "127.0.0.1"
