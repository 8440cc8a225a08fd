"""Shares of event streams: no user, and no network with many accounts, takes them all."""

from uuid import UUID, uuid4

import pytest

from adapters.http.api.problems import TooManyStreams
from adapters.realtime.stream_shares import StreamShares

ADA = UUID(int=1)


def taken(shares: StreamShares, network: str, users: int, each: int = 1) -> int:
    """How many streams so many users of a network get."""
    before = shares.open
    for user_id in [uuid4() for _ in range(users)]:
        for _ in range(each):
            try:
                shares.take(user_id, network)
            except TooManyStreams:
                break
    return shares.open - before


def test_a_user_has_at_most_ten() -> None:
    assert taken(StreamShares(), "a", users=1, each=11) == 10


def test_many_accounts_of_one_network_take_at_most_half() -> None:
    """M7: accounts are free."""
    shares = StreamShares(total=100)
    assert taken(shares, "a", users=30, each=10) == 50
    assert taken(shares, "b", users=1) == 1


def test_the_last_quarter_is_for_newcomers() -> None:
    """M7: two networks with many accounts leave it free."""
    shares = StreamShares(total=100)
    assert taken(shares, "a", users=60) + taken(shares, "b", users=60) == 75
    with pytest.raises(TooManyStreams, match="try again later"):
        shares.take(uuid4(), "b")
    shares.take(ADA, "c")
    with pytest.raises(TooManyStreams):
        shares.take(ADA, "c")
    assert sum(taken(shares, f"{n}", users=10) for n in range(10)) == 24
    with pytest.raises(TooManyStreams):
        shares.take(uuid4(), "z")


def test_what_is_given_back_is_free_again() -> None:
    shares = StreamShares(total=4, per_user=2)
    for _ in range(20):
        shares.take(ADA, "a")
        shares.take(ADA, "a")
        shares.give_back(ADA, "a")
        shares.give_back(ADA, "a")
    assert shares.open == 0
