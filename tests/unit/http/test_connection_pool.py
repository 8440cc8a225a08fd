"""The pool of connections: full, it takes from the address that has the most."""

import resource

import pytest

from adapters.client_network import network_of
from infra.http_server.connection_pool import FILES_FOR_OTHERS, MAX_CONNECTIONS, ConnectionPool, connection_limit


class Connection:
    """A connection that keeps whether it was dropped."""

    def __init__(self, waiting: bool = True) -> None:
        self.waiting = waiting
        self.dropped = False

    def cut(self) -> None:
        self.dropped = True


def held(pool: ConnectionPool, address: str, count: int, *, waiting: bool = True) -> list[Connection]:
    connections = [Connection(waiting) for _ in range(count)]
    for each in connections:
        pool.add(each, address)
    return connections


def test_the_address_with_the_most_connections_loses_one() -> None:
    """M6: an attacker with one address pushes out no one else."""
    pool = ConnectionPool(10)
    ours = held(pool, "10.0.0.1", 3)
    theirs = held(pool, "10.0.0.2", 50)
    assert not any(each.dropped for each in ours)
    assert sum(not each.dropped for each in theirs) == 7


def test_one_that_waits_goes_before_one_that_works() -> None:
    pool = ConnectionPool(3)
    busy = held(pool, "10.0.0.1", 2, waiting=False)
    waiting = held(pool, "10.0.0.1", 3)
    assert not any(each.dropped for each in busy)
    assert [each.dropped for each in waiting] == [True, True, False]


def test_where_all_work_the_newest_finds_no_room() -> None:
    pool = ConnectionPool(2)
    assert [each.dropped for each in held(pool, "10.0.0.1", 3, waiting=False)] == [False, False, True]


def test_what_has_ended_takes_no_room() -> None:
    pool = ConnectionPool(2)
    for each in held(pool, "10.0.0.1", 2):
        pool.remove(each)
        pool.remove(each)
    assert list(pool) == []
    assert not any(each.dropped for each in held(pool, "10.0.0.1", 2))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("", ""),
        ("no address", ""),
    ],
)
def test_a_network_is_what_one_client_has(address: str, network: str) -> None:
    """M6: a client that has one IPv6 address has 2^64."""
    assert network_of(address) == network


WANTED, WITHOUT_END = MAX_CONNECTIONS + FILES_FOR_OTHERS, resource.RLIM_INFINITY


@pytest.mark.parametrize(
    ("before", "after", "connections"),
    [
        ((WITHOUT_END, WITHOUT_END), None, MAX_CONNECTIONS),
        ((WANTED, WITHOUT_END), None, MAX_CONNECTIONS),
        ((1_024, WITHOUT_END), (WANTED, WITHOUT_END), MAX_CONNECTIONS),
        ((1_024, 1_000_000), (WANTED, 1_000_000), MAX_CONNECTIONS),
        ((1_024, 2_048), (2_048, 2_048), 2_048 - FILES_FOR_OTHERS),
        ((64, 64), (64, 64), 1),
        ((1_000_000, 1_000_000), None, MAX_CONNECTIONS),
    ],
)
def test_a_process_holds_as_many_connections_as_it_may_open_files(
    monkeypatch: pytest.MonkeyPatch, before: tuple[int, int], after: tuple[int, int] | None, connections: int
) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: {resource.RLIMIT_NOFILE: before}[kind])
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    assert connection_limit() == connections
    assert raised == ([after] if after else [])
