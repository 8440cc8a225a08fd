"""Leader election: the lock is exclusive, is released when its holder is silent, and a holder knows that it lost it."""

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
    """Wait for the condition. Returns the seconds it took."""
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
    monkeypatch.setattr("infra.kafka.relay.leader_lease.KEEPALIVE_SECONDS", 60.0)
    with LeaderLease(database.app_url, "a") as silent, LeaderLease(database.app_url, "a") as other:
        assert silent.try_take()
        took = until(other.try_take)
        assert not silent.held()
    assert TRUST_SECONDS < took < SILENCE_SECONDS + 1


def test_a_holder_that_is_disconnected_knows(database: Database) -> None:
    with LeaderLease(database.app_url, "a") as one:
        assert one.try_take()
        rows(database.admin_url, KILL)
        assert until(lambda: not one.held()) < TRUST_SECONDS


def test_a_holder_that_hangs_loses_the_lock(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.kafka.relay.leader_lease.HEARTBEAT_TIMEOUT_SECONDS", 1.0)
    with LeaderLease(database.app_url, "a") as hung, LeaderLease(database.app_url, "a") as other:
        assert hung.try_take()
        for _ in range(20):
            sleep(0.1)
            hung.heartbeat()
        assert hung.held()
        assert not other.try_take()
        until(other.try_take)
        assert not hung.held()
