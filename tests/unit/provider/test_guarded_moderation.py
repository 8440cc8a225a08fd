"""Moderation that fails is left alone for a while; texts wait meanwhile, or pass."""

import pytest
from structlog.testing import capture_logs

from adapters.provider.circuits import FAILURES_TO_OPEN, OPEN_SECONDS
from adapters.provider.guarded_moderation import GuardedModeration, NoModeration
from application.ports import Unavailable
from infra.bootstrap.provider import open_moderation
from infra.cli import doctor
from infra.settings.display import shown
from infra.settings.provider import ProviderSettings
from tests.support.generations import PlainModeration
from tests.support.provider_servers import KEY, refuse, rude_provider
from tests.unit.provider.test_bootstrap import everything, settings


class Time:
    """Seconds, which tests set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def guarded(moderation: PlainModeration, time: Time, *, is_required: bool = True) -> GuardedModeration:
    return GuardedModeration(moderation, is_required=is_required, clock=time)


def down(times: int) -> PlainModeration:
    """Moderation that fails so many times."""
    moderation = PlainModeration()
    moderation.outages = [Unavailable("Moderation")] * times
    return moderation


async def test_categories_are_passed_on() -> None:
    moderation = PlainModeration()
    moderation.refused = {"fight": ("violence",)}
    assert await guarded(moderation, Time()).judge("They fight.") == ("violence",)


async def test_a_text_waits_while_there_is_no_judgement() -> None:
    moderation = guarded(down(1), Time())
    with pytest.raises(Unavailable):
        await moderation.judge("Otters.")
    assert await moderation.judge("Otters.") == ()


async def test_after_failures_in_a_row_the_service_is_left_alone_for_a_while() -> None:
    service, time = down(FAILURES_TO_OPEN), Time()
    moderation = guarded(service, time)
    for _ in range(FAILURES_TO_OPEN + 5):
        with pytest.raises(Unavailable):
            await moderation.judge("Otters.")
    assert len(service.judged) == FAILURES_TO_OPEN
    time.now = OPEN_SECONDS
    assert await moderation.judge("Otters.") == ()


async def test_where_it_is_preferred_a_text_passes_and_that_is_logged_without_the_text() -> None:
    moderation = guarded(down(1), Time(), is_required=False)
    with capture_logs() as logs:
        assert await moderation.judge("Otters.") == ()
    assert [entry["event"] for entry in logs] == ["a text has passed without moderation"]
    assert "Otters." not in str(logs)


async def test_what_a_preferred_moderation_refuses_is_refused() -> None:
    moderation = PlainModeration()
    moderation.refused = {"fight": ("violence",)}
    assert await guarded(moderation, Time(), is_required=False).judge("They fight.") == ("violence",)


async def test_where_it_is_off_all_texts_pass() -> None:
    async with open_moderation(settings(PALIMPSEST_MODERATION="off")) as moderation:
        assert isinstance(moderation, NoModeration)
        assert await moderation.judge("flag:violence") == ()


async def test_without_a_key_the_sandbox_judges() -> None:
    async with open_moderation(settings()) as moderation:
        assert await moderation.judge("flag:violence") == ("violence",)


@pytest.mark.parametrize("mode", ["required", "preferred"])
async def test_a_service_that_does_not_answer_stops_texts_only_where_it_is_required(mode: str) -> None:
    async with rude_provider() as server:
        server.script = refuse(500)
        async with open_moderation(there(server.url, mode)) as moderation:
            if mode == "preferred":
                assert await moderation.judge("Otters.") == ()
            else:
                with pytest.raises(Unavailable, match="500"):
                    await moderation.judge("Otters.")
        assert server.connections[0].headers["authorization"] == "Bearer sk-judge"


async def test_another_address_does_not_get_the_key_of_the_provider() -> None:
    async with rude_provider() as server:
        here = settings(PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_MODERATION_URL=server.url)
        async with open_moderation(here) as moderation:
            with pytest.raises(Unavailable):
                await moderation.judge("Otters.")
    assert server.connections[0].headers["authorization"] == "Bearer none"


def there(url: str, mode: str = "required") -> ProviderSettings:
    """Settings of moderation at an address of its own, with a key of its own."""
    own = {"PALIMPSEST_MODERATION_URL": url, "PALIMPSEST_MODERATION_KEY": "sk-judge", "PALIMPSEST_MODERATION": mode}
    return settings(PALIMPSEST_PROVIDER_KEY=KEY, PALIMPSEST_PROVIDER_URL="http://127.0.0.1:1/v1", **own)


def test_the_key_is_not_shown() -> None:
    assert "sk-judge" not in str([*shown(everything(PALIMPSEST_MODERATION_KEY="sk-judge"))])


def test_doctor_says_whether_there_are_judgements() -> None:
    assert doctor._moderation(everything()).state == "answers; required"
    off = everything(PALIMPSEST_MODERATION="off", PALIMPSEST_ENVIRONMENT="production")
    assert doctor._moderation(off).is_failure
    assert not doctor._moderation(everything(PALIMPSEST_MODERATION="off")).is_failure
    down = everything(PALIMPSEST_MODERATION_KEY="sk-judge", PALIMPSEST_MODERATION_URL="http://127.0.0.1:1/v1")
    finding = doctor._moderation(down)
    assert finding.is_failure
    assert "not reached" in finding.state
    assert "generations wait" in finding.state
