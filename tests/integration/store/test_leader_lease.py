"""Leader election: the lock is exclusive, is released when its holder is silent, and a holder knows that it lost it."""

from time import sleep

import pytest

from infra.kafka.relay.relay import RETRY_SECONDS, STANDBY_SECONDS
from infra.postgres.leader_lease import SILENCE_SECONDS, TRUST_SECONDS, LeaderLease
from infra.postgres.locks import RELAY_LEADER, SEALER_LEADER
from tests.support.servers import Database
from tests.support.stores import disconnect
from tests.support.waiting import wait_until


def lease_of(database: Database, name: str) -> LeaderLease:
    return LeaderLease(database.app_url, RELAY_LEADER, name)


def test_one_holder_at_a_time(database: Database) -> None:
    with lease_of(database, "a") as one, lease_of(database, "a") as other:
        assert one.try_take()
        assert one.held()
        assert not other.try_take()
        assert not other.held()
        one.close()
        assert not one.held()
        wait_until(other.try_take)


def test_other_names_are_other_locks(database: Database) -> None:
    with lease_of(database, "a") as one, lease_of(database, "b") as other:
        assert one.try_take()
        assert other.try_take()


def test_a_relay_and_a_sealer_do_not_wait_for_each_other(database: Database) -> None:
    with lease_of(database, "a") as one, LeaderLease(database.app_url, SEALER_LEADER, "a") as other:
        assert one.try_take()
        assert other.try_take()


def test_a_standby_is_to_take_over_in_less_than_five_seconds() -> None:
    assert TRUST_SECONDS < SILENCE_SECONDS
    assert SILENCE_SECONDS + STANDBY_SECONDS + RETRY_SECONDS < 5.0


def test_a_holder_that_is_alive_keeps_it(database: Database) -> None:
    with lease_of(database, "a") as one, lease_of(database, "a") as other:
        assert one.try_take()
        for _ in range(round((SILENCE_SECONDS + 1) / 0.1)):
            assert one.held()
            assert not other.try_take()
            sleep(0.1)


def test_a_silent_holder_loses_it_after_it_has_stopped_trusting_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infra.postgres.leader_lease.KEEPALIVE_SECONDS", 60.0)
    with lease_of(database, "a") as silent, lease_of(database, "a") as other:
        assert silent.try_take()
        took = wait_until(other.try_take)
        assert not silent.held()
    assert took > TRUST_SECONDS


def test_a_holder_that_is_disconnected_knows(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.postgres.leader_lease.TRUST_SECONDS", 3_600.0)
    with lease_of(database, "a") as one:
        assert one.try_take()
        disconnect(database.admin_url)
        wait_until(lambda: not one.held())


def test_a_holder_that_hangs_loses_the_lock(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.postgres.leader_lease.HEARTBEAT_TIMEOUT_SECONDS", 1.0)
    with lease_of(database, "a") as hung, lease_of(database, "a") as other:
        assert hung.try_take()
        for _ in range(20):
            sleep(0.1)
            hung.heartbeat()
        assert hung.held()
        assert not other.try_take()
        wait_until(other.try_take)
        assert not hung.held()
