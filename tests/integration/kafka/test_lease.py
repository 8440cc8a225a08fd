"""One relay leads: the lock is exclusive, comes free when its holder is silent, and is known to be lost."""

from collections.abc import Callable
from time import monotonic, sleep

import pytest

from infra.kafka.relay.leader_lease import SILENCE_SECONDS, TRUST_SECONDS, LeaderLease
from tests.support.servers import Database
from tests.support.stores import rows

KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def until(condition: Callable[[], bool]) -> float:
    """Wait until it is so. Answers how long it took."""
    began = monotonic()
    while not condition():
        assert monotonic() - began < 10
        sleep(0.02)
    return monotonic() - began


def test_one_holder_at_a_time(database: Database) -> None:
    with LeaderLease(database.app_url, "a") as one, LeaderLease(database.app_url, "a") as other:
        assert one.try_take()
        assert one.held()
        assert not other.try_take()
        assert not other.held()
        one.close()
        assert not one.held()
        until(other.try_take)


def test_other_names_are_other_locks(database: Database) -> None:
    with LeaderLease(database.app_url, "a") as one, LeaderLease(database.app_url, "b") as other:
        assert one.try_take()
        assert other.try_take()


def test_a_holder_that_is_alive_keeps_it(database: Database) -> None:
    with LeaderLease(database.app_url, "a") as one, LeaderLease(database.app_url, "a") as other:
        assert one.try_take()
        for _ in range(round((SILENCE_SECONDS + 1) / 0.1)):
            assert one.held()
            assert not other.try_take()
            sleep(0.1)


def test_a_silent_holder_loses_it_after_it_has_stopped_trusting_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.kafka.relay.leader_lease.BEAT_SECONDS", 60.0)
    with LeaderLease(database.app_url, "a") as silent, LeaderLease(database.app_url, "a") as other:
        assert silent.try_take()
        took = until(other.try_take)
        assert not silent.held()
    assert TRUST_SECONDS < took < SILENCE_SECONDS + 1


def test_a_holder_that_is_cut_off_knows(database: Database) -> None:
    with LeaderLease(database.app_url, "a") as one:
        assert one.try_take()
        rows(database.admin_url, KILL)
        assert until(lambda: not one.held()) < TRUST_SECONDS


def test_a_holder_whose_work_hangs_gives_way(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.kafka.relay.leader_lease.LIFE_SECONDS", 1.0)
    with LeaderLease(database.app_url, "a") as hung, LeaderLease(database.app_url, "a") as other:
        assert hung.try_take()
        for _ in range(20):
            sleep(0.1)
            hung.show_life()
        assert hung.held()
        assert not other.try_take()
        until(other.try_take)
        assert not hung.held()
