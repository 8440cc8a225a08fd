"""Secrets are in no address of the API, and in no log, whatever clients put into addresses by mistake."""

import re

from tests.support.http import PASSWORD, openapi_schema
from tests.support.revocations import open_link
from tests.support.revoking import Servers, scene_on
from tests.support.waiting import until

SECRET = re.compile("token|password|secret|code|key", re.IGNORECASE)


def test_asvs_14_2_1_no_operation_takes_a_secret_in_its_address() -> None:
    schema = openapi_schema()
    operations = [operation for path in schema["paths"].values() for operation in path.values()]
    named = set[str]()
    for given in (parameter for operation in operations for parameter in operation.get("parameters", [])):
        shared = schema["components"]["parameters"].get(given.get("$ref", "").rpartition("/")[2])
        parameter = shared or given
        if parameter["in"] in ("path", "query"):
            named.add(parameter["name"])
    assert {"team_id", "cursor"} <= named
    assert [name for name in named if SECRET.search(name)] == []


async def test_asvs_14_2_1_no_secret_is_in_a_log_even_if_it_came_in_an_address(servers: Servers) -> None:
    log = servers.apis[0].log
    async with scene_on(servers) as scene:
        await open_link(scene)
        replaced = scene.bob.refresh_token
        await scene.bob.refresh(scene.url)
        access = scene.bob.headers["Authorization"].removeprefix("Bearer ")
        secrets = [replaced, scene.bob.refresh_token, access, PASSWORD.replace(" ", "+")]
        before = len(log.read_bytes())
        for secret in secrets:
            for address in (f"/v1/users/me?access_token={secret}", f"/v1/auth/verify?token={secret}", f"/v1/{secret}"):
                for method in ("GET", "POST"):
                    answer = await scene.bob.client.request(method, f"{scene.url}{address}")
                    assert answer.status_code >= 400
                    assert secret not in answer.headers.get("location", "")
        last = answer.headers["x-request-id"]
        await until(lambda: last in log.read_text())
    assert len(log.read_bytes()) > before
    for each in servers.apis:
        assert [secret for secret in [*secrets, PASSWORD] if secret in each.log.read_text()] == []
