"""The provider of an installation: what the settings open, and what `palimpsest doctor` says of it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.provider.token_counter import TiktokenCounter
from application.ports import Message, Unavailable
from infra.bootstrap.provider import open_models, open_provider
from infra.cli import doctor
from infra.limits.local_limits import LocalLimits
from infra.settings.display import shown
from infra.settings.errors import SettingsError
from infra.settings.model import Settings
from infra.settings.provider import ProviderSettings
from tests.support.provider import answer, prompt
from tests.support.provider_servers import KEY, chunk, counted, events, rude_provider
from tests.support.stores import KEYS


class Counter(TiktokenCounter):
    """Counts ten tokens in every prompt, without a vocabulary. `is_loaded`: whether it was asked to load it."""

    is_loaded = False

    async def start(self) -> None:
        self.is_loaded = True

    async def count(self, messages: Sequence[Message]) -> int:
        return 10


def settings(**variables: Any) -> ProviderSettings:
    return ProviderSettings.model_validate(variables, context=variables)


async def test_without_a_key_the_sandbox_answers_and_says_so() -> None:
    none, counter = settings(), Counter()
    models = open_models(none)
    async with open_provider(none, models, LocalLimits(), counter) as provider:
        got = await answer(provider, prompt(model=models.default.name, longest=5))
    assert got.end.is_sandbox
    assert not counter.is_loaded


async def test_with_a_key_the_provider_answers_within_its_caps() -> None:
    counter = Counter()
    async with rude_provider() as server:
        server.script = events(chunk("Otters."), chunk(finish="stop"), counted(9, 2))
        here = settings(
            PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_PROVIDER_URL=server.url, PALIMPSEST_PROVIDER_REQUESTS=10
        )
        async with open_provider(here, open_models(here), LocalLimits(), counter) as provider:
            assert not (await answer(provider, prompt(model="gpt-4.1"))).end.is_sandbox
            with pytest.raises(Unavailable, match="our share"):
                await answer(provider, prompt(model="gpt-4.1"))
    assert counter.is_loaded


def test_a_wrong_catalogue_is_a_wrong_setting(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text('default = "unknown"\nmodels = []\n')
    with pytest.raises(SettingsError, match="PALIMPSEST_MODELS is no catalogue of models: the default unknown"):
        open_models(settings(PALIMPSEST_MODELS=str(file)))


def everything(**variables: Any) -> Settings:
    return Settings.from_variables({"DATABASE_URL": "postgresql://app@localhost/x", **KEYS, **variables})


def test_the_key_is_not_shown() -> None:
    values = {variable: value for variable, value, _ in shown(everything(PALIMPSEST_PROVIDER_KEY=KEY))}
    assert values["PALIMPSEST_PROVIDER_KEY"] == "****"
    assert KEY not in str(values)


def test_doctor_wants_a_key_in_production_only() -> None:
    finding = doctor._provider(everything())
    assert (finding.state, finding.is_failure) == ("not set: a sandbox answers, no model", False)
    assert doctor._provider(everything(PALIMPSEST_ENVIRONMENT="production")).is_failure


def test_doctor_says_that_a_provider_does_not_answer() -> None:
    here = everything(PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_PROVIDER_URL="http://127.0.0.1:1/v1")
    finding = doctor._provider(here)
    assert finding.is_failure
    assert "The provider (not reached) is not available" in finding.state
    assert KEY not in finding.state + finding.advice


def test_doctor_names_a_wrong_catalogue(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text("")
    finding = doctor._provider(everything(PALIMPSEST_MODELS=str(file)))
    assert finding.is_failure
    assert "PALIMPSEST_MODELS" in finding.advice
