"""Load workers: how many there are, and when they are worth starting."""

from typing import cast

import pytest

from infra.projector.rebuild import load_workers
from infra.projector.rebuild.load_workers import MAX_WORKERS, MIN_EVENTS, LoadWorkers
from infra.store.feed import PostgresEventFeed

FEED = cast(PostgresEventFeed, None)


@pytest.mark.parametrize(("number", "events", "worthwhile"), [(1, MIN_EVENTS, True), (1, MIN_EVENTS - 1, False)])
def test_workers_load_only_a_long_log(number: int, events: int, worthwhile: bool) -> None:
    assert LoadWorkers(FEED, number=number).worthwhile(events) == worthwhile
    assert not LoadWorkers(FEED, number=0).worthwhile(events)


@pytest.mark.parametrize(("cores", "number"), [(1, 0), (2, 1), (MAX_WORKERS + 1, MAX_WORKERS), (64, MAX_WORKERS)])
def test_there_is_a_worker_for_each_further_core_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch, cores: int, number: int
) -> None:
    monkeypatch.setattr(load_workers, "_cores", lambda: cores)
    assert LoadWorkers(FEED)._number == number


@pytest.mark.parametrize(("counted", "cores"), [(6, 6), (None, 1)])
def test_cores_are_those_of_the_machine_where_the_process_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, counted: int | None, cores: int
) -> None:
    monkeypatch.delattr("os.sched_getaffinity", raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: counted)
    assert load_workers._cores() == cores
