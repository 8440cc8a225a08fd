"""The number of requests in the next batch."""

import pytest

from infra.store.group_commit import batch_size


@pytest.mark.parametrize(
    ("ready", "in_flight", "expected"),
    [
        (0, [], 0),
        (1, [], 1),
        (7, [], 7),
        (16, [], 8),  # the others follow at once, as a second batch
        (8, [8], 8),
        (7, [8], 0),  # too few to be worth a batch while a larger one is written
        (100, [8, 8], 0),
    ],
)
def test_many_go_in_halves_and_no_more_than_two_batches_at_once(
    ready: int, in_flight: list[int], expected: int
) -> None:
    assert batch_size(ready, in_flight) == expected
