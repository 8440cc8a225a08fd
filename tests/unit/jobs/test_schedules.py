"""The ticks of schedules, in UTC."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.discovery import import_all
from application.jobs import PERFORMERS, ScheduledJob
from infra.jobs.encoding import JobCodec
from infra.jobs.schedules import LOOK_SECONDS, Schedules, is_cron, last_tick
from infra.sealing.job_seals import JobSeals

moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_the_last_tick_of_each_minute_is_the_full_minute(now: datetime) -> None:
    assert last_tick("* * * * *", now) == now.replace(second=0, microsecond=0)


@given(moments, st.sampled_from(["*/7 * * * *", "30 2 * * 1", "0 0 1 * *", "15 3 29 2 *"]))
def test_the_last_tick_is_the_first_of_all_later_moments(now: datetime, expression: str) -> None:
    tick = last_tick(expression, now)
    assert tick <= now
    assert last_tick(expression, tick) == tick
    assert last_tick(expression, tick - timedelta(microseconds=1)) < tick


def test_ticks_are_in_utc() -> None:
    now = datetime(2026, 7, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    assert last_tick("0 0 * * *", now.astimezone(UTC)) == datetime(2026, 6, 30, tzinfo=UTC)


class Ring(ScheduledJob, frozen=True):
    kind = "ring"
    every = "*/10 * * * *"


class Answering:
    """A database that answers with no rows."""

    async def rows(self, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
        return []


@pytest.mark.parametrize(("second", "pause"), [(0, LOOK_SECONDS), (59, 1.0)])
async def test_the_next_look_is_at_the_next_tick_or_before_it(second: int, pause: float) -> None:
    now = datetime(2026, 7, 1, 12, 9, second, tzinfo=UTC)
    codec = JobCodec(JobSeals("key", {"key": bytes(32)}))
    own = Schedules([Ring], cast(Any, Answering()), codec, lambda: now)
    await own.look()
    assert own._pause() == pause


@pytest.mark.parametrize("expression", ["", "* * * *", "* * * * * *", "60 * * * *", "@daily", "monday"])
def test_what_is_no_cron_expression_of_five_fields_is_refused(expression: str) -> None:
    assert not is_cron(expression)


@pytest.mark.parametrize("expression", ["* * * * *", "*/10 2-4 1,15 * mon"])
def test_a_cron_expression_is_taken(expression: str) -> None:
    assert is_cron(expression)


def test_every_kind_that_runs_by_a_schedule_has_the_base_of_such_kinds() -> None:
    import_all("application")
    import_all("infra.jobs")
    scheduled = [kind for kind in PERFORMERS if kind.every is not None and not kind.__module__.startswith("tests.")]
    assert len(scheduled) > 10
    assert [kind.__name__ for kind in scheduled if not issubclass(kind, ScheduledJob)] == []
