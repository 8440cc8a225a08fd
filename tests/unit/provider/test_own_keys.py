"""Keys of payers at the provider: each request has its own, and a wrong one harms no other payer."""

from dataclasses import replace

import pytest

from adapters.provider.circuits import FAILURES_TO_OPEN
from application.ports import KeyRefused, Unavailable
from infra.bootstrap.provider import open_key_trial, open_models, open_provider
from infra.limits.local_limits import LocalLimits
from tests.support.provider import CATALOGUE, answer, prompt
from tests.support.provider_servers import KEY, chunk, counted, events, provider_at, refuse, rude_provider
from tests.unit.provider.test_bootstrap import Counter, settings

OWN = "sk-otters-hold-hands-1234"


async def test_each_request_has_the_key_that_pays() -> None:
    async with rude_provider() as server, provider_at(server.url) as provider:
        server.script = events(chunk("Otters."), chunk(finish="stop"), counted(9, 2))
        await answer(provider, replace(prompt(), key=OWN))
        await answer(provider, prompt())
        keys = [each.headers["authorization"] for each in server.connections]
    assert keys == [f"Bearer {OWN}", f"Bearer {KEY}"]


@pytest.mark.parametrize("status", [401, 403])
async def test_a_key_that_is_refused_is_told_from_a_prompt_that_is(status: int) -> None:
    async with rude_provider() as server, provider_at(server.url) as provider:
        server.script = refuse(status)
        with pytest.raises(KeyRefused) as caught:
            await answer(provider, replace(prompt(), key=OWN))
    assert OWN not in repr(caught.value)


async def test_a_throttled_key_opens_a_circuit_of_its_own_and_takes_nothing_of_our_caps() -> None:
    async with rude_provider() as server:
        here = settings(
            PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_PROVIDER_URL=server.url, PALIMPSEST_PROVIDER_REQUESTS=10
        )
        async with open_provider(here, open_models(here), LocalLimits(), Counter()) as provider:
            server.script = refuse(429)
            for _ in range(20):
                with pytest.raises(Unavailable):
                    await answer(provider, replace(prompt(model="gpt-4.1"), key=OWN))
            assert len(server.connections) == FAILURES_TO_OPEN
            server.script = events(chunk("Otters."), chunk(finish="stop"), counted(9, 2))
            got = await answer(provider, prompt(model="gpt-4.1"))
    assert got.text == "Otters."


@pytest.mark.parametrize(
    ("status", "error"), [(401, KeyRefused), (403, KeyRefused), (404, Unavailable), (500, Unavailable)]
)
async def test_a_trial_tells_a_refused_key_from_an_outage(status: int, error: type[Exception]) -> None:
    async with rude_provider() as server:
        here = settings(PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_PROVIDER_URL=server.url)
        server.script = refuse(status)
        with pytest.raises(error) as caught:
            await open_key_trial(here, CATALOGUE)(OWN)
        [request] = server.connections
    assert request.headers["authorization"] == f"Bearer {OWN}"
    assert request.path == "/v1/models"
    assert OWN not in repr(caught.value)


async def test_the_sandbox_takes_keys_but_those_that_say_that_they_are_refused() -> None:
    try_key = open_key_trial(settings(), CATALOGUE)
    await try_key(OWN)
    with pytest.raises(KeyRefused):
        await try_key("sk-refused-otters-hold-hands")
