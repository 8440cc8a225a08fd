"""The queue that networks share: they take turns, and of too many entries the longest network loses one."""

from adapters.fair_queue import FairQueue


def queue_of(*networks: str) -> FairQueue[str]:
    """A queue with numbered entries of these networks, in this order."""
    queue = FairQueue[str]()
    for number, network in enumerate(networks):
        queue.add(network, f"{network}{number}")
    return queue


def taken(queue: FairQueue[str]) -> list[str]:
    """All entries in the order of their turns."""
    return list(iter(queue.take, None))


def test_networks_take_turns_and_entries_of_one_keep_their_order() -> None:
    queue = queue_of("a", "a", "a", "b", "c", "b")
    assert taken(queue) == ["a0", "b3", "c4", "a1", "b5", "a2"]
    assert len(queue) == 0


def test_a_network_that_returns_waits_for_all_others() -> None:
    queue = queue_of("a", "b", "b")
    assert queue.take() == "a0"
    queue.add("a", "a3")
    assert taken(queue) == ["b1", "a3", "b2"]


def test_a_network_whose_oldest_entry_is_not_ready_keeps_its_turn() -> None:
    queue = queue_of("a", "b", "a", "b")
    assert queue.take(lambda entry: entry != "a0") == "b1"
    assert taken(queue) == ["a0", "b3", "a2"]


def test_where_no_entry_is_ready_none_leaves() -> None:
    queue = queue_of("a", "b")
    assert queue.take(lambda _: False) is None
    assert len(queue) == 2


def test_the_network_with_the_most_loses_its_newest() -> None:
    queue = queue_of("a", "a", "b")
    assert queue.take_newest_of_longest("b") == "a1"
    assert taken(queue) == ["a0", "b2"]


def test_of_networks_with_as_many_the_newcomer_loses() -> None:
    queue = queue_of("a", "b", "c")
    assert queue.take_newest_of_longest("b") == "b1"
    assert taken(queue) == ["a0", "c2"]


def test_a_removed_entry_gets_no_turn() -> None:
    queue = queue_of("a", "a", "b")
    queue.discard("a", "a0")
    queue.discard("b", "b2")
    queue.discard("b", "b2")
    assert len(queue) == 1
    assert taken(queue) == ["a1"]
